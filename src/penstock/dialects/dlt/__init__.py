"""The dlt `rest_api` dialect."""
