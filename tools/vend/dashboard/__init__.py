"""The dashboards: pages that stand alone, one per garage and one for the platform, from both sides' reports."""
