"""Nationalities: the word of each country, where it lies, and what else people write for it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Sub-region to its nationalities, each with the ISO 3166 code of its country; after the UN M49
# list, with one Latin America. They are beside those that people are drawn of (`NATIONALITIES`).
_BY_REGION: Final = {
    "northern africa": "DZ algerian, EH sahrawi, LY libyan, MA moroccan, SD sudanese, TN tunisian",
    "eastern africa": "BI burundian, DJ djiboutian, ER eritrean, ET ethiopian, KE kenyan, "
    "KM comorian, MG malagasy, MU mauritian, MW malawian, MZ mozambican, RW rwandan, "
    "SC seychellois, SO somali, SS south sudanese, TZ tanzanian, UG ugandan, ZM zambian, "
    "ZW zimbabwean",
    "middle africa": "AO angolan, CD congolese, CF central african, CM cameroonian, GA gabonese, "
    "GQ equatoguinean, ST sao tomean, TD chadian",
    "southern africa": "BW botswanan, LS basotho, NA namibian, SZ swazi",
    "western africa": "BF burkinabe, BJ beninese, CI ivorian, CV cape verdean, GH ghanaian, "
    "GM gambian, GN guinean, GW bissau guinean, LR liberian, ML malian, MR mauritanian, "
    "NE nigerien, NG nigerian, SL sierra leonean, SN senegalese, TG togolese",
    "northern america": "BM bermudian, GL greenlandic",
    "latin america": "AG antiguan, BB barbadian, BO bolivian, BS bahamian, BZ belizean, "
    "CL chilean, CO colombian, CR costa rican, CU cuban, DO dominican, EC ecuadorian, "
    "GD grenadian, GT guatemalan, GY guyanese, HN honduran, HT haitian, JM jamaican, "
    "KN kittitian, LC saint lucian, NI nicaraguan, PA panamanian, PE peruvian, PR puerto rican, "
    "PY paraguayan, SR surinamese, SV salvadoran, TT trinidadian, UY uruguayan, VC vincentian, "
    "VE venezuelan",
    "central asia": "KG kyrgyz, KZ kazakh, TJ tajik, TM turkmen, UZ uzbek",
    "eastern asia": "HK hong konger, KP north korean, MN mongolian, MO macanese, TW taiwanese",
    "south-eastern asia": "BN bruneian, KH cambodian, LA laotian, MM burmese, MY malaysian, "
    "PH filipino, SG singaporean, TL timorese",
    "southern asia": "AF afghan, BD bangladeshi, BT bhutanese, IR iranian, LK sri lankan, "
    "MV maldivian, NP nepali, PK pakistani",
    "western asia": "AM armenian, AZ azerbaijani, BH bahraini, CY cypriot, GE georgian, IQ iraqi, "
    "JO jordanian, KW kuwaiti, LB lebanese, OM omani, PS palestinian, QA qatari, SA saudi, "
    "SY syrian, YE yemeni",
    "eastern europe": "BG bulgarian, BY belarusian, CZ czech, HU hungarian, MD moldovan, "
    "RO romanian, RU russian, SK slovak, UA ukrainian",
    "northern europe": "DK danish, EE estonian, FI finnish, FO faroese, IS icelandic, "
    "LT lithuanian, LV latvian, NO norwegian",
    "southern europe": "AD andorran, AL albanian, BA bosnian, GR greek, HR croatian, "
    "ME montenegrin, MK macedonian, MT maltese, RS serbian, SI slovenian, SM sammarinese, "
    "XK kosovar",
    "western europe": "AT austrian, BE belgian, CH swiss, LI liechtensteiner, LU luxembourgish, "
    "MC monegasque",
    "melanesia": "FJ fijian, NC new caledonian, PG papua new guinean, SB solomon islander, "
    "VU ni vanuatu",
    "micronesia": "FM micronesian, KI i kiribati, MH marshallese, NR nauruan, PW palauan",
    "polynesia": "PF french polynesian, TO tongan, TV tuvaluan, WS samoan",
}
_CONTINENTS: Final = ("africa", "america", "asia", "europe")


def _continent(region: str) -> str:
    return next((name for name in _CONTINENTS if region.endswith(name)), "oceania")


def _read() -> dict[str, tuple[str, str, str]]:
    found = {}
    for region, listed in _BY_REGION.items():
        for entry in listed.split(", "):
            code, word = entry.split(" ", 1)
            found[word] = (code, region, _continent(region))
    return found


# Nationality to (ISO 3166 country, sub-region, continent).
FURTHER_NATIONALITIES: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(_read())

# What people write beside the names of countries, which CLDR has, and the words above: other words
# for the people, parts of a country that are asked for as one, names of before, abbreviations.
NATIONALITY_WORDS: Final = MappingProxyType(
    {
        "american": "u.s, u.s.a, america, united states of america, the united states, the us, "
        "the usa, estadounidense, amerikanisch, usamerican",
        "argentine": "argentinian, argentinean",
        "australian": "aussie",
        "austrian": "osterreicher, osterreicherin",
        "azerbaijani": "azeri",
        "bangladeshi": "bengali",
        "basotho": "lesothan",
        "belarusian": "belorussian, byelorussian",
        "bosnian": "bosniak, bosnian and herzegovinian",
        "british": "uk, u.k, eng, great britain, britain, england, english, englishman, scotland, "
        "scottish, scot, wales, welsh, northern ireland, northern irish, briton, brit, the uk, "
        "the united kingdom",
        "burmese": "burma, myanmarese",
        "chinese": "prc, people s republic of china, people's republic of china, "
        "mainland china, 中国人",
        "congolese": "congo, cg, cog, republic of the congo, democratic republic of the congo, drc",
        "croatian": "croat",
        "czech": "czech republic, czechian",
        "danish": "dane",
        "dutch": "holland, hollander, the netherlands, dutchman",
        "emirati": "uae, u.a.e, emirates, emirian",
        "filipino": "filipina, philippine, pinoy, the philippines",
        "finnish": "finn",
        "french": "frenchman, frenchwoman",
        "greek": "hellenic",
        "indian": "bharat",
        "iranian": "persian",
        "irish": "republic of ireland, eire",
        "israeli": "israelite",
        "ivorian": "ivory coast",
        "japanese": "日本人",
        "kazakh": "kazakhstani",
        "korean": "south korean, south korea, republic of korea, rok, 한국, 한국인",
        "kyrgyz": "kyrgyzstani",
        "laotian": "lao",
        "macedonian": "fyrom",
        "mexican": "mexicano, mexicana, chicano",
        "nepali": "nepalese",
        "new zealander": "kiwi, n.z, aotearoa",
        "north korean": "dprk",
        "polish": "pole",
        "puerto rican": "boricua",
        "romanian": "rumanian",
        "russian": "russian federation, rossiya",
        "saudi": "saudi arabian, ksa",
        "serbian": "serb",
        "slovenian": "slovene",
        "spanish": "spaniard",
        "swedish": "swede",
        "swiss": "schweizer, schweizerin, schweizerisch, suizo, svizzero",
        "taiwanese": "roc",
        "tajik": "tajikistani",
        "thai": "siam",
        "timorese": "east timor, east timorese",
        "turkish": "turk, turkiye",
        "turkmen": "turkmenistani",
        "uzbek": "uzbekistani",
        "vietnamese": "viet nam, viet",
    }
)
