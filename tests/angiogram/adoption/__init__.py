"""`angiogram init`, on projects that know nothing of the dye."""
