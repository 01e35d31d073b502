"""Where data come from: MovieLens, generated samples; and a report on any data set."""
