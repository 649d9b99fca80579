"""`dlt.sources.helpers.rest_client`: clients, paginators and auth, and classes built on them."""
