"""English names of languages, for people who do not know their codes."""

from __future__ import annotations

from edgekit.wording import directions

_NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian",
    "bg": "Bulgarian", "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fil": "Filipino",
    "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "ha": "Hausa",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "ig": "Igbo", "is": "Icelandic", "it": "Italian", "ja": "Japanese",
    "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean",
    "ku": "Kurdish", "ky": "Kyrgyz", "lb": "Luxembourgish", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian",
    "mr": "Marathi", "ms": "Malay", "my": "Burmese", "nb": "Norwegian", "ne": "Nepali",
    "nl": "Dutch", "no": "Norwegian", "om": "Oromo", "or": "Odia", "pa": "Punjabi", "pl": "Polish",
    "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "rw": "Kinyarwanda",
    "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu",
    "tg": "Tajik", "th": "Thai", "ti": "Tigrinya", "tl": "Tagalog", "tr": "Turkish",
    "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "wo": "Wolof",
    "xh": "Xhosa", "yo": "Yoruba", "zh": "Chinese", "zu": "Zulu",
    # What else edgekit/data/language_of.py can find.
    "ace": "Acehnese", "an": "Aragonese", "ary": "Moroccan Arabic", "arz": "Egyptian Arabic",
    "as": "Assamese", "ba": "Bashkir", "bcl": "Central Bikol", "br": "Breton",
    "crh": "Crimean Tatar", "dz": "Dzongkha", "eo": "Esperanto", "ext": "Extremaduran",
    "fo": "Faroese", "fuv": "Nigerian Fulfulde", "fy": "West Frisian",
    "gcf": "Antillean Creole", "gcr": "Guianese Creole", "gd": "Scottish Gaelic",
    "gom": "Konkani", "grc": "Ancient Greek", "gug": "Guarani", "guw": "Gun",
    "hbo": "Biblical Hebrew", "ht": "Haitian Creole", "jv": "Javanese", "kab": "Kabyle",
    "kik": "Kikuyu", "la": "Latin", "lg": "Ganda", "lij": "Ligurian", "ln": "Lingala",
    "ltg": "Latgalian", "mt": "Maltese", "nn": "Norwegian Nynorsk", "nso": "Northern Sotho",
    "oc": "Occitan", "pcm": "Nigerian Pidgin", "qu": "Quechua", "sa": "Sanskrit",
    "sdh": "Southern Kurdish", "se": "Northern Sami", "sn": "Shona", "st": "Southern Sotho",
    "tk": "Turkmen", "tt": "Tatar", "ug": "Uyghur", "uzs": "Southern Uzbek", "vec": "Venetian",
    "vo": "Volapük", "wa": "Walloon", "wuu": "Wu Chinese", "yue": "Cantonese",
}  # fmt: skip


_CODES = {name.lower(): code for code, name in reversed(_NAMES.items())}


def code_of(name: str) -> str | None:
    """`French` -> 'fr'; None for what is no English name of a language."""
    return _CODES.get(name.strip().lower())


def language_name(code: str) -> str:
    """`fr` -> 'French', `pt-BR` -> 'Portuguese (BR)', `en→fr` -> 'English → French'.

    An unknown code is its own name.
    """
    if both := directions.split(code):
        return f" {directions.ARROW} ".join(map(language_name, both))
    base, _, rest = code.replace("_", "-").partition("-")
    name = _NAMES.get(base.lower())
    if name is None:
        return code
    return f"{name} ({rest})" if rest else name
