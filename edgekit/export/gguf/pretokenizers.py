"""llama.cpp's names for the ways to split a text before BPE. A table, no code.

From `llama-vocab.cpp`; of names that do the same only one is listed, the most used first. A name
that the installed llama.cpp does not know is refused by it and so never chosen.
"""

BYTE_LEVEL = (
    "gpt-2", "smollm", "qwen2", "llama-bpe", "dbrx", "tekken", "gpt-4o", "qwen35", "default",
    "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon", "olmo", "stablelm2", "command-r",
    "chatglm-bpe", "glm4", "bloom", "poro-chat", "viking", "jais-2", "seed-coder", "bailingmoe",
    "superbpe", "tiny_aya", "minicpm5", "exaone-moe", "granite-embed-multi-97m", "trillion",
    "ufakzeka", "grok-2", "kimi-k2", "afmoe", "youtu", "spark2_5", "laguna", "chameleon",
)  # fmt: skip
SENTENCEPIECE = ("default",)
MISREAD = {
    "tiny_aya": (
        r"\d{4,}[^\W\d]",
        "llama.cpp cuts a number of four digits or more that a letter follows, such as 1080p, "
        "otherwise than the tokenizer does",
    ),
}
"""Texts of which it is known that llama.cpp cuts them otherwise under a name, as a pattern, and
what a person should know of it: tried without such texts only where no name reads them all."""
