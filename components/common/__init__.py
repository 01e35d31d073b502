"""What several steps share: storage, parameters, features, ragged lists."""
