"""Metrics, baselines and the report: what an avatar is measured by."""
