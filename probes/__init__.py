"""Turn what was observed into a measured answer."""
