// Hints of a Series call's answer: the type of the message that the Any in a frame holds.
// Specification: proto/hints.proto. Owns its name.

export const hintsType = 'type.googleapis.com/hintspb.SeriesResponseHints'
