"""Reading bundles: any archive of images, in one pass, trusting nothing in it."""
