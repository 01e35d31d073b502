from components.example_gen import fingerprint as module
from components.example_gen.params import ExampleGenParams


def fingerprint(path):
    return module.fingerprint(path, ExampleGenParams())


def test_one_changed_rating_changes_it_and_the_same_content_does_not(folder):
    ratings = "userId,movieId,rating,timestamp\n1,10,4.0,100\n"
    first = fingerprint(folder(ratings=ratings))
    assert first == fingerprint(folder(ratings=ratings))
    assert first != fingerprint(folder(ratings=ratings.replace("4.0", "3.0")))


def test_every_file_counts_and_others_do_not(folder):
    path = folder()
    first = fingerprint(path)
    (path / "links.csv").write_text("movieId,imdbId\n")
    assert fingerprint(path) == first
    assert (
        len(
            {
                first,
                fingerprint(folder(tags=None)),
                fingerprint(folder(tags="")),
                fingerprint(folder(items=None)),
            }
        )
        == 4
    )


def test_content_cannot_move_between_files_unseen(folder):
    first = fingerprint(folder(ratings="movieId", items="movieIdab"))
    assert first != fingerprint(folder(ratings="movieIdmovieId", items="ab"))
