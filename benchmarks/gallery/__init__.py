"""Pictures and seconds of all networks of the catalog, for docs/gallery.md."""
