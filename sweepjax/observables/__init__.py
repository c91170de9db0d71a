"""One file an extra quantity read off (model, data, recorded path of parameters)."""
