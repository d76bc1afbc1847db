"""What people and events ask of a foreign table: fields, ranges, and what others call them."""

from typing import Final

from matching.domain.features.names import FEATURE_NAMES, LOG_NAMES
from matching.domain.log.format import VIEW
from matching.domain.profiles import MAX_AGE, MIN_AGE
from matching.domain.words import Preset
from project.tabular.doors import Door, FieldSpec

PEOPLE: Final = Door(
    "matching.people",
    "profiles of people",
    (
        FieldSpec(
            "external_id",
            is_required=True,
            is_made=True,
            names=("id", "user id", "uid", "user", "username", "login", "member id", "person id",
                   "profile id", "customer id", "userid", "uuid", "key", "kennung", "nutzer id",
                   "benutzer id", "identifiant", "identificador"),
        ),
        FieldSpec("name", names=("full name", "display name", "first name", "nickname", "vorname",
                  "nom", "prenom", "nombre")),
        FieldSpec(
            "age", "number", low=MIN_AGE, high=MAX_AGE, is_whole=True,
            names=("years", "age years", "alter", "edad", "eta", "idade"),
        ),
        FieldSpec(
            "gender",
            names=("sex", "gender identity", "geschlecht", "sexe", "sexo", "genre", "genero"),
        ),
        FieldSpec("personality", names=("personality type", "introvert extrovert", "temperament")),
        FieldSpec(
            "extraversion", "number", low=0.0, high=1.0,
            names=("extroversion", "extraversion score", "extroversion score", "e score"),
        ),
        FieldSpec(
            "interests", "words",
            names=("hobbies", "interest", "hobby", "likes", "activities", "tags", "interested in",
                   "interessen", "centres d interet", "interets", "loisirs", "intereses",
                   "aficiones", "interessi"),
        ),
        FieldSpec(
            "languages", "words",
            names=("speaks", "language", "spoken languages", "languages spoken", "language s",
                   "sprachen", "langues", "idiomas", "lenguas", "lingue"),
        ),
        FieldSpec(
            "home_city",
            names=("city", "location", "home", "hometown", "town", "residence", "place",
                   "city name", "wohnort", "ort", "stadt", "ville", "ciudad", "citta"),
        ),
        FieldSpec(
            "home_lat", "number", low=-90.0, high=90.0, names=("lat", "latitude", "home latitude",
                                                               "breitengrad")
        ),
        FieldSpec(
            "home_lon", "number", low=-180.0, high=180.0,
            names=("lon", "lng", "long", "longitude", "home lng", "home longitude",
                   "laengengrad", "langengrad"),
        ),
        FieldSpec("smoking", names=("smokes", "smoker", "smoke", "tobacco", "raucher", "raucht",
                                    "fumeur", "fuma", "fumador")),
        FieldSpec("drinking", names=("drinks", "drinker", "alcohol", "drink", "trinkt", "alkohol",
                                     "alcool", "bebe")),
        FieldSpec("religion", names=("faith", "belief", "religious belief", "denomination",
                                     "glaube")),
        FieldSpec(
            "nationality",
            names=("country", "citizenship", "country of origin", "nation", "home country",
                   "nationalitat", "land", "nationalite", "pays", "nacionalidad", "pais",
                   "nazionalita"),
        ),
        FieldSpec("profession", names=("job", "occupation", "work", "job title", "career",
                                       "beruf", "metier", "profesion", "ocupacion", "professione")),
        FieldSpec("archetype"),
        FieldSpec("origin"),
    ),
)  # fmt: skip

# Words for what somebody did, and which of ours says the same.
OUTCOME_WORDS: Final = {
    "accept": (
        "accepted", "like", "liked", "likes", "yes", "y", "true", "1", "right", "swipe_right",
        "swiped_right", "superlike", "super_like", "love", "interested", "join", "joined",
        "request", "requested", "connect", "connected", "heart", "invite", "invited", "match",
        "matched", "positive", "ja", "oui", "si", "sí", "\N{HEAVY BLACK HEART}",
        "\N{THUMBS UP SIGN}", "\N{WHITE HEAVY CHECK MARK}",
    ),
    "chat": ("chatted", "message", "messaged", "reply", "replied", "conversation", "talk"),
    "ignore": (
        "ignored", "pass", "passed", "skip", "skipped", "no", "n", "false", "0", "-1", "left",
        "swipe_left", "swiped_left", "nope", "dislike", "disliked", "reject", "rejected",
        "decline", "declined", "hide", "hidden", "not_interested", "dismiss", "dismissed",
        "negative", "no_match", "not_matched", "no_like", "nein", "non", "\N{CROSS MARK}",
        "\N{THUMBS DOWN SIGN}",
    ),
    "unmatch": (
        "unmatched", "block", "blocked", "report", "reported", "remove", "removed", "unfriend",
    ),
    VIEW: (
        "viewed", "views", "impression", "impressions", "seen", "shown", "exposure", "displayed",
        "show", "profile_view", "view_profile", "viewed_profile", "page_view",
    ),
}  # fmt: skip

EVENTS: Final = Door(
    "matching.events",
    "match events",
    (
        FieldSpec(
            "matchType", "choice", names=("type of match", "pair type"),
            choices={"user_user": ("user", "pair", "person"), "user_group": ("group",)},
        ),
        FieldSpec(
            "userId",
            names=("user", "from user id", "from", "from user", "from id", "swiper", "swiper id",
                   "who", "actor", "actor id", "source user", "sender", "sender id", "rater",
                   "rater id", "viewer", "viewer id", "member", "member id", "iid", "uid",
                   "user1", "user 1", "user1 id", "user a", "user id 1", "user id a", "initiator",
                   "initiator id", "subject", "subject id", "person", "person id", "nutzer",
                   "nutzer id", "benutzer", "utilisateur", "usuario"),
        ),
        FieldSpec(
            "targetId",
            names=("target", "target user id", "target user", "to user id", "to", "to user",
                   "to id", "swipee", "swipee id", "swiped", "swiped id", "swiped user",
                   "about whom", "whom", "candidate", "candidate id", "receiver", "receiver id",
                   "recipient", "other", "other id", "other user", "partner", "partner id",
                   "profile id", "profile", "ratee", "pid", "ratee id", "user2", "user 2",
                   "user2 id", "user b", "user id 2", "user id b", "object", "object id",
                   "swiped on",
                   "viewed", "viewed id", "liked user", "liked user id", "ziel", "ziel id", "cible",
                   "destinatario", "objetivo"),
        ),
        FieldSpec("groupId", names=("group", "group name", "target group")),
        FieldSpec(
            "outcome", "choice", is_required=True, instead="label",
            choices=OUTCOME_WORDS,
            names=("action", "decision", "swipe", "reaction", "response", "event", "event type",
                   "event name", "result", "choice", "what", "verb", "interaction",
                   "interaction type", "status", "direction", "liked", "accepted", "is match",
                   "match", "type", "is like", "is liked", "like", "vote", "dec", "aktion",
                   "entscheidung", "accion", "azione"),
        ),
        FieldSpec("label", "number", low=0.0, high=1.0, is_whole=True, is_flag=True),
        FieldSpec(
            "timestamp", "moment", is_required=True, in_milliseconds=True,
            names=("time", "date", "created at", "created", "occurred at", "ts", "datetime",
                   "event time", "swiped at", "when", "at", "logged at", "created on",
                   "event date", "event timestamp", "date time", "decided at", "decision time",
                   "decision date", "zeitpunkt", "zeit", "datum", "horodatage", "fecha", "data"),
        ),
        FieldSpec("eventId", names=("id", "event uuid", "uuid", "log id", "row id")),
        FieldSpec(
            "preset", "choice", choices={preset.value: () for preset in Preset},
        ),
        FieldSpec("source"),
        FieldSpec("featureSet"),
        FieldSpec("modelVersion", names=("model",)),
        *(
            FieldSpec(f"features.{name}", "number", low=0.0, high=1.0, names=(column,))
            for name, column in zip(LOG_NAMES, FEATURE_NAMES, strict=True)
        ),
    ),
)  # fmt: skip

_OWNER_IDS: Final = ("id", "user id", "user", "traveller id", "traveler id", "traveller",
                     "traveler", "group id", "group", "person id", "profile id", "who", "uid",
                     "owner", "owner id")  # fmt: skip

GROUPS: Final = Door(
    "matching.groups",
    "groups of travellers",
    (
        FieldSpec(
            "external_id", is_required=True,
            names=("id", "group id", "group", "team id", "party id", "gruppe", "groupe", "grupo"),
        ),
        FieldSpec("name", names=("group name", "title", "team name")),
        FieldSpec(
            "members", "words", is_required=True,
            names=("member ids", "users", "user ids", "people", "participants", "member",
                   "travellers", "travelers", "mitglieder", "membres", "miembros"),
        ),
        FieldSpec("origin"),
    ),
)  # fmt: skip

TRIPS: Final = Door(
    "matching.trips",
    "trips",
    (
        FieldSpec("external_id", is_required=True, names=_OWNER_IDS),
        FieldSpec(
            "destination_name",
            names=("destination", "city", "place", "to", "where", "location", "ziel", "ort"),
        ),
        FieldSpec(
            "destination_lat", "number", is_required=True, low=-90.0, high=90.0,
            names=("lat", "latitude", "destination latitude"),
        ),
        FieldSpec(
            "destination_lon", "number", is_required=True, low=-180.0, high=180.0,
            names=("lon", "lng", "long", "longitude", "destination longitude", "destination lng"),
        ),
        FieldSpec(
            "start_date", "moment", is_required=True, is_day=True,
            names=("start", "from", "from date", "begin", "begins", "departure", "arrival",
                   "check in", "starts at", "von", "debut", "inicio"),
        ),
        FieldSpec(
            "end_date", "moment", is_required=True, is_day=True,
            names=("end", "until", "to date", "ends", "return", "check out", "ends at", "bis",
                   "fin"),
        ),
        FieldSpec("budget", "number", names=("trip budget", "total budget", "price", "cost")),
        FieldSpec("interests", "words", names=("hobbies", "activities", "tags")),
        FieldSpec("origin"),
    ),
)  # fmt: skip
