"use strict";
// Lists of known words get the select2 that Django's admin brings along.
django.jQuery(function ($) {
  $("select.sb-words").select2({
    tags: true,
    tokenSeparators: [",", ";"],
    width: "min(46em, 100%)",
    // What was typed comes after the known words that match it, so that Enter takes a known one.
    insertTag: function (words, typed) {
      words.push(typed);
    },
  });
});
