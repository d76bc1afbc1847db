"""What people write for the known words of small lists: faiths, habits, temperament, interests,
languages, gender.

Known word to what else means it, in plain words (`plain`), separated by commas. Only what says the
same: what would have to be guessed is left to be taught.
"""

from types import MappingProxyType
from typing import Final

# Faiths beside those that people are drawn of.
FURTHER_RELIGIONS: Final = (
    *("bahai", "confucian", "jain", "pagan", "rastafarian", "shinto", "taoist", "zoroastrian"),
)
RELIGION_WORDS: Final = MappingProxyType(
    {
        "none": "atheism, atheist, atheistic, athee, ateo, no religion, not religious, "
        "nonreligious, non religious, irreligious, unreligious, secular, secular humanist, "
        "humanist, spiritual but not religious, non believer, nonbeliever, konfessionslos, nothing",
        "agnostic": "agnosticism, agnostiker, agnostisch, agnostique, agnostico",
        "christian": "christianity, christ, christlich, catholic, catholicism, roman catholic, "
        "roman catholicism, catholique, cattolico, catolico, catolica, katholisch, protestant, "
        "protestantism, evangelisch, evangelical, orthodox, eastern orthodox, greek orthodox, "
        "russian orthodox, orthodox christian, christian orthodox, anglican, baptist, lutheran, "
        "methodist, presbyterian, pentecostal, episcopalian, mormon, lds, chretien, chretienne, "
        "cristiano, cristiana",
        "muslim": "islam, islamic, moslem, muslima, islamisch, musulman, musulmane, sunni, "
        "sunni muslim, sunni islam, shia, shiite, shia muslim, shia islam, sufi",
        "hindu": "hinduism, hinduismus",
        "buddhist": "buddhism, buddhistisch, buddhismus, bouddhiste, budista, zen buddhism, "
        "zen buddhist",
        "jewish": "judaism, jew, jude, judisch, juif, juive, judio, judia",
        "sikh": "sikhism, sikhi",
        "other": "other religion, another, another religion, something else",
        "bahai": "baha'i, bahai faith, baha'i faith",
        "confucian": "confucianism",
        "jain": "jainism, jainist",
        "pagan": "paganism, neopagan, wicca, wiccan",
        "rastafarian": "rastafari, rastafarianism",
        "shinto": "shintoism, shintoist",
        "taoist": "taoism, daoism, daoist",
        "zoroastrian": "zoroastrianism, parsi",
    }
)

HABIT_WORDS: Final = MappingProxyType(
    {
        "no": "not at all, never, n, false, non smoker, nonsmoker, non drinker, nonsmoking, "
        "don't, i don't, doesn't, abstinent, sober, teetotal, nein, nie, non, jamais, nunca",
        "occasionally": "sometimes, socially, social, rarely, seldom, now and then, occasional, "
        "when drinking, on weekends, at parties, light, lightly, moderate, moderately, "
        "social drinker, social smoker, from time to time, once in a while, a little, "
        "not often, manchmal, selten, gelegentlich, parfois, a veces",
        # Who is trying to quit smokes; what becomes of it is not known.
        "yes": "often, very often, y, true, regularly, regular, daily, every day, frequently, "
        "heavily, heavy, desperately, a lot, always, smoker, drinker, trying to quit, ja, oui, si, "
        "oft, regelmassig, souvent",
    }
)

PERSONALITY_WORDS: Final = MappingProxyType(
    {
        "introvert": "introverted, introvertiert, introversion",
        "ambivert": "ambiverted, ambivertiert",
        "extrovert": "extroverted, extravert, extraverted, extrovertiert, extravertiert",
    }
)

GENDER_WORDS: Final = MappingProxyType(
    {
        "female": "f, w, woman, women, girl, weiblich, frau, femme, mujer, femenino, cis woman",
        "male": "m, man, men, boy, mannlich, mann, homme, hombre, masculino, cis man",
        "non-binary": "nonbinary, non binary, nb, enby, nichtbinar, genderqueer, gender queer",
    }
)

INTEREST_WORDS: Final = MappingProxyType(
    {
        "adventure sports": "adventure sport, extreme sports",
        "art": "arts, fine art, visual arts",
        "backpacking": "backpack, backpacker",
        "beaches": "beach, beach life, the beach",
        "coffee": "coffee shops, coffeeshops, cafe, cafes, cafe culture",
        "cycling": "bicycling, biking, bike, bikes, bike riding, bicycle",
        "diving": "scuba, scuba diving, scubadiving",
        "food": "foodie, foodies, good food, eating, eating out",
        "hiking": "hike, hikes, hiker, trekking, hill walking, hillwalking",
        "history": "historical sites, historic sites",
        "local culture": "local cultures, culture, cultures",
        "museums": "museum visits, visiting museums, going to museums",
        "music": "listening to music",
        "nature": "the outdoors, great outdoors",
        "nightlife": "night life, clubbing, clubs, partying, party, nightclubs, night clubs",
        "photography": "photo, photos, photographer, taking photos, taking pictures",
        "reading": "books, read, reading books",
        "remote work": "remote working, working remotely, digital nomad, coworking, co working",
        "road trips": "roadtrips, roadtripping",
        "shopping": "shop, malls",
        "skiing": "ski",
        "spa": "spas",
        "street food": "streetfood",
        "surfing": "surf, surfer",
        "volunteering": "volunteer, volunteer work, voluntary work",
        "wildlife": "wild life, wild animals",
        "wine": "wine tasting, winetasting, vino",
    }
)

# Languages that CLDR has no name for, and people list.
FURTHER_LANGUAGES: Final = ("sign language",)
LANGUAGE_WORDS: Final = MappingProxyType(
    {
        "dutch": "flemish",
        "indonesian": "bahasa indonesia, bahasa",
        "mandarin": "chinese, mandarin chinese, chinese mandarin, standard chinese, zh, zho, chi, "
        "putonghua, simplified chinese, traditional chinese, cmn",
        "persian": "farsi, dari",
        "sign language": "asl, american sign language, bsl, british sign language",
        "spanish": "castilian, castellano",
    }
)

# What says that nothing is said, in any column.
BLANKS: Final = frozenset(
    {
        *("", "-", "--", "—", "?", "null", "nil", "nan", "nat", "n a", "na", "#n a", "<na>"),
        *("undefined", "unknown", "unspecified", "not specified", "not set", "no answer"),
        *("prefer not to say", "prefer not to answer", "rather not say", "not stated"),
        *("keine angabe", "k a", "\\n"),
    }
)
