"""What components.py files import as `airbyte_cdk` and `requests`, offered without either.

`modules` finds the names, `web` and `values` hold what everything else is made of. Names and
signatures are those of airbyte-cdk; what is behind them is Penstock's own.
"""
