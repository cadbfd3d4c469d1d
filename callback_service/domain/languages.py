"""Languages by their BCP 47 tags: what is a valid tag, and what people call the language.

A tag is kept in its shortest usual form: "cy", "pa", "zh-HK", "ckb".
"""

from __future__ import annotations

import re
from typing import Final

#: Everybody who works here speaks it, so it is never stored and never needed.
ENGLISH: Final = "en"

#: Every language with two letters (ISO 639-1), and those with three that callers in the United
#: Kingdom ask for.
NAMES: Final[dict[str, str]] = {
    entry[: entry.index(" ")]: entry[entry.index(" ") + 1 :]
    for entry in (  # noqa: SIM905 - 196 lines of list otherwise
        "aa Afar,ab Abkhazian,ae Avestan,af Afrikaans,ak Akan,am Amharic,an Aragonese,ar Arabic,"
        "as Assamese,av Avaric,ay Aymara,az Azerbaijani,ba Bashkir,be Belarusian,bg Bulgarian,"
        "bi Bislama,bm Bambara,bn Bengali,bo Tibetan,br Breton,bs Bosnian,ca Catalan,ce Chechen,"
        "ch Chamorro,co Corsican,cr Cree,cs Czech,cu Church Slavonic,cv Chuvash,cy Welsh,da Danish,"
        "de German,dv Dhivehi,dz Dzongkha,ee Ewe,el Greek,en English,eo Esperanto,es Spanish,"
        "et Estonian,eu Basque,fa Persian,ff Fula,fi Finnish,fj Fijian,fo Faroese,fr French,"
        "fy Western Frisian,ga Irish,gd Scottish Gaelic,gl Galician,gn Guarani,gu Gujarati,gv Manx,"
        "ha Hausa,he Hebrew,hi Hindi,ho Hiri Motu,hr Croatian,ht Haitian Creole,hu Hungarian,"
        "hy Armenian,hz Herero,ia Interlingua,id Indonesian,ie Interlingue,ig Igbo,ii Sichuan Yi,"
        "ik Inupiaq,io Ido,is Icelandic,it Italian,iu Inuktitut,ja Japanese,jv Javanese,"
        "ka Georgian,kg Kongo,ki Kikuyu,kj Kuanyama,kk Kazakh,kl Greenlandic,km Khmer,kn Kannada,"
        "ko Korean,kr Kanuri,ks Kashmiri,ku Kurdish,kv Komi,kw Cornish,ky Kyrgyz,la Latin,"
        "lb Luxembourgish,lg Ganda,li Limburgish,ln Lingala,lo Lao,lt Lithuanian,lu Luba-Katanga,"
        "lv Latvian,mg Malagasy,mh Marshallese,mi Maori,mk Macedonian,ml Malayalam,mn Mongolian,"
        "mr Marathi,ms Malay,mt Maltese,my Burmese,na Nauru,nb Norwegian Bokmål,nd North Ndebele,"
        "ne Nepali,ng Ndonga,nl Dutch,nn Norwegian Nynorsk,no Norwegian,nr South Ndebele,nv Navajo,"
        "ny Chichewa,oc Occitan,oj Ojibwa,om Oromo,or Odia,os Ossetian,pa Punjabi,pi Pali,"
        "pl Polish,ps Pashto,pt Portuguese,qu Quechua,rm Romansh,rn Rundi,ro Romanian,ru Russian,"
        "rw Kinyarwanda,sa Sanskrit,sc Sardinian,sd Sindhi,se Northern Sami,sg Sango,si Sinhala,"
        "sk Slovak,sl Slovenian,sm Samoan,sn Shona,so Somali,sq Albanian,sr Serbian,ss Swati,"
        "st Southern Sotho,su Sundanese,sv Swedish,sw Swahili,ta Tamil,te Telugu,tg Tajik,th Thai,"
        "ti Tigrinya,tk Turkmen,tl Tagalog,tn Tswana,to Tongan,tr Turkish,ts Tsonga,tt Tatar,"
        "tw Twi,ty Tahitian,ug Uyghur,uk Ukrainian,ur Urdu,uz Uzbek,ve Venda,vi Vietnamese,"
        "vo Volapük,wa Walloon,wo Wolof,xh Xhosa,yi Yiddish,yo Yoruba,za Zhuang,zh Chinese,zu Zulu,"
        "bho Bhojpuri,ckb Central Kurdish,cmn Mandarin,fil Filipino,hak Hakka,kmr Northern Kurdish,"
        "pnb Western Punjabi,prs Dari,rom Romani,sco Scots,skr Saraiki,syl Sylheti,yue Cantonese"
    ).split(",")
}
_BY_NAME: Final = {name.casefold(): tag for tag, name in NAMES.items()}

#: A language, and perhaps a script, a region and variants; no extensions (RFC 5646, 2.1).
_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(-(?P<script>[a-z]{4}))?(-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
)
_TWO_LETTERS: Final = 2
_LONGEST: Final = 35


def language_tag(text: str) -> str:
    """The tag of a language from its tag or English name; ValueError, with a sentence, if none.

    Three letters that are not in ``NAMES`` are taken as they are: there are 7,900 such languages.
    """
    folded = " ".join(text.split()).casefold()
    if folded in _BY_NAME:
        return _BY_NAME[folded]
    found = _TAG.fullmatch(folded.replace("_", "-"))
    if found is None or len(folded) > _LONGEST or not _is_language(found["language"]):
        raise ValueError(
            f"“{_short(text)}” is no language we know. Give its name or its code, like Welsh or cy."
        )
    script, region = (found["script"] or "").title(), (found["region"] or "").upper()
    parts = [found["language"], script, region, (found["variants"] or "").strip("-")]
    return "-".join(part for part in parts if part)


def _is_language(code: str) -> bool:
    return code in NAMES or len(code) > _TWO_LETTERS


def _short(text: str) -> str:
    printable = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}…"


def language_name(tag: str) -> str:
    """What people call a language: "Welsh", "Chinese (HK)"; the tag where it has no name here."""
    language, _, rest = tag.partition("-")
    name = NAMES.get(language, language)
    return f"{name} ({rest})" if rest else name


def is_english(tag: str) -> bool:
    """Whether a tag is for English of any kind."""
    return tag.partition("-")[0] == ENGLISH
