"""Where rows live: paths, chunk files, footers, and the verbs that read them."""
