"""From pixels to more pixels: plan the tiles, gather, run the network, blend."""
