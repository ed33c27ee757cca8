"""The PERSE tab of the sidebar, and what its buttons do."""
