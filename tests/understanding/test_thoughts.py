"""What a model thinks before it answers: shown to nobody who does not ask, and not kept in a talk."""

from moviola.understanding.generating import Speech


def said(text: str, **how) -> tuple[list[str], str]:
    """The pieces of an answer that comes letter by letter, and its whole text."""
    speech = Speech(lambda ids: "".join(map(chr, ids)), **how)
    pieces = [speech.add(ord(letter)) for letter in text]
    return [piece for piece in [*pieces, speech.end()] if piece], speech.text


def test_only_what_follows_them_is_told():
    pieces, text = said("Let me see.\n</think>\n\nA dog.\n\nIt runs.", thoughts="</think>")
    assert text == "A dog.\n\nIt runs."
    assert "".join(pieces) == text
    assert pieces[0] == "A"


def test_nothing_is_told_of_thoughts_that_do_not_end():
    assert said("Let me see. A dog?", thoughts="</think>") == ([], "")


def test_they_are_told_where_nothing_ends_them():
    assert said("Let me see.\n</think>\n\nA dog.")[1] == "Let me see.\n</think>\n\nA dog."


def test_a_text_that_stops_an_answer_stops_it_after_thoughts_too():
    assert said("Hm.</think>Yes.STOP no", thoughts="</think>", stops=("STOP",))[1] == "Yes."
