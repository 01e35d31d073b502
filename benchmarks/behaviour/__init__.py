"""How a pushed model behaves where one Recall@k says nothing.

New people, new items, explanations, diversity, similar items: each is asked of the
SavedModel's own signatures, on the timelines that the model was tested on, and put beside
what a simpler rule or a definition computed outside the graph says of the same question.
"""
