"""Writes the tokenizers and the expected ids of the tests, by PyPI's tokenizers
and sentencepiece: python golden.py FOLDER. Trained on the text below, so that nothing is fetched."""
import base64
import gzip
import json
import random
import sys
import tempfile

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

TEXT = """A query is one inference request. The worker that receives it validates it, selects the model,
and asks its own run queue for a slot. It's late, we're waiting; they'll come, I've seen 1,024 of 4096 bytes!
naïve café déjà vu Ångström straße ÉCOLE Ελληνικά привет мир 日本語 中文字 한국어 עברית العربية 😀 👩‍👩‍👧 ﬁne""".split("\n")
HARD = ["", " ", "  a", "a  ", "\t\n\r", "Hello, world!", "don't can't I'M we'LL", "[CLS] x [SEP]", "[MASK]ed [ mask ]", "x[UNK]y", "<s>a</s> <mask> <mask>b",
        "café cafe\u0301 CAFÉ İstanbul ß ﬁ", "日本語x中文", "a\u00a0b\u2003c\u200bd\u200de\ufefff", "\u0000a\ufffd\u0007b", "x" * 101, "ab" * 5000,
        "1,024.5 ½ ² Ⅷ ٣", "$5 + 3 = £8 ~ ^ ` |", "—–…“quoted”‘s’ ¿qué?", "  two  spaces   three\n\nlines ", "😀😀👩‍👩‍👧🏳️‍🌈", "\u1885\u0f71\u0f72", "new_line_under __init__", "aUSERb USER", "uſer ΑΣ Σ", "a\u2028b\u2029c\u0085d\x1ce"]


def charsmap():
    """A table of SentencePiece for a few rules, of one and of several characters, whose
    replacements may be longer, shorter or none."""
    rules = {"ﬁ": "fi", "①": "1", "é": "e", "e\u0301": "e", "ｶﾞ": "ガ", "ß": "ss", "\u200b": "", "İ": "i", "\u00a0": " ", "…": "...", "👩": "w", "Ⅷ": "VIII", "\u3000": " ", "ab": "ba"}
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/rules.tsv", "w") as f:
            for old, new in rules.items():
                f.write(" ".join(f"{ord(c):X}" for c in old) + "\t" + " ".join(f"{ord(c):X}" for c in new) + "\n")
        with open(f"{folder}/text", "w") as f:
            f.write("\n".join(TEXT * 3))
        return table(f"--input={folder}/text --model_prefix={folder}/m --vocab_size=300 --hard_vocab_limit=false --normalization_rule_tsv={folder}/rules.tsv --minloglevel=2", folder)


def table(arguments, folder):
    """The table in the model that SentencePiece trains by these arguments."""
    sentencepiece.SentencePieceTrainer.train(arguments)
    from sentencepiece import sentencepiece_model_pb2
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(open(f"{folder}/m.model", "rb").read())
    return model.normalizer_spec.precompiled_charsmap


def sentencepieces(special, unknown, normalizer, pre_tokenizer):
    """A Unigram tokenizer."""
    t = Tokenizer(models.Unigram())
    if normalizer is not None:
        t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizer
    t.train_from_iterator(TEXT * 3, trainers.UnigramTrainer(vocab_size=300 + len(special), special_tokens=special, unk_token=unknown, show_progress=False))
    return t


def edited(t, **fields):
    """A tokenizer whose model has other fields, and special tokens that are not looked
    for in a text."""
    f = json.loads(t.to_str())
    f["model"].update(fields)
    f["added_tokens"] = [a for a in f["added_tokens"] if not a["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(f))


def build():
    def train(t, special):
        cls = trainers.WordPieceTrainer if isinstance(t.model, models.WordPiece) else trainers.BpeTrainer
        extra = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()} if cls is trainers.BpeTrainer else {}
        t.train_from_iterator(TEXT * 3, cls(vocab_size=420, special_tokens=special, show_progress=False, **extra))
        return t

    def wordpiece(**options):
        t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(**options), pre_tokenizers.BertPreTokenizer()
        train(t, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        return t

    def bytelevel(prefix):
        t = Tokenizer(models.BPE())
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        train(t, ["<s>", "<pad>", "</s>"])
        return t

    uncased = wordpiece()
    uncased.enable_truncation(16)
    cased = wordpiece(lowercase=False)
    cased.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    cased.add_tokens([AddedToken("USER", single_word=True), AddedToken("naïve", normalized=True)])
    gpt2 = bytelevel(False)
    roberta = bytelevel(True)
    roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    roberta.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    sequence = bytelevel(False)
    sequence.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("é", "e"), normalizers.Lowercase()])
    sequence.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    sequence.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(single="$A:1 </s>", special_tokens=[("</s>", 2)])])
    full = [f"<0x{b:02X}>" for b in range(256)]
    unigram = sentencepieces(["<pad>", "</s>", "<unk>"], "<unk>", normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")]),
                             pre_tokenizers.Metaspace())
    unigram.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    albert = sentencepieces(["<pad>", "<unk>", "[CLS]", "[SEP]"], "<unk>", normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Precompiled(charsmap())]),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]))
    albert.post_processor = processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    albert.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    fallback = sentencepieces(["<s>", "</s>", "<unk>"] + full, "<unk>", None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False))
    fallback = edited(fallback, byte_fallback=True)
    fallback.add_tokens([AddedToken("USER", normalized=True)])
    some = edited(sentencepieces(["<unk>"] + full[:128], "<unk>", normalizers.Precompiled(charsmap()), pre_tokenizers.Metaspace(prepend_scheme="never")), byte_fallback=True)
    llama = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    train(llama, ["<unk>", "<s>", "</s>"] + full)
    return {"unigram": unigram, "albert": albert, "fallback": fallback, "some-bytes": some, "llama": llama, "uncased": uncased, "cased": cased, "gpt2": gpt2, "roberta": roberta, "sequence": sequence}


def texts(seed, n):
    rng = random.Random(seed)
    words = " ".join(TEXT).split()
    ranges = [(0, 0x80), (0x80, 0x250), (0x250, 0x600), (0x600, 0x2000), (0x2000, 0x3100), (0x3400, 0xd800), (0xf900, 0x10000), (0x1f000, 0x1fb00), (0x20000, 0x2fa20)]
    for _ in range(n):
        out = ""
        for _ in range(rng.randrange(1, 30)):
            a, b = rng.choice(ranges)
            out += rng.choice([" ", "", chr(rng.randrange(a, b)), chr(rng.randrange(a, b)), rng.choice(words), rng.choice(words).upper()])
        yield out


def main(folder):
    built, random_texts = build(), list(texts(1, 150))
    cases = []
    for name, t in built.items():
        open(f"{folder}/{name}.json", "w").write(json.dumps(json.loads(t.to_str()), ensure_ascii=False, separators=(",", ":")))
        for text in HARD + random_texts:
            e = t.encode(text)
            cases.append({"tokenizer": name, "text": text, "ids": e.ids, "types": e.type_ids})
    with gzip.GzipFile(f"{folder}/cases.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps({"library": tokenizers.__version__, "cases": cases}, ensure_ascii=False).encode())


if __name__ == "__main__":
    main(sys.argv[1])
