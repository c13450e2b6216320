// Label matchers: =, !=, =~, !~ with Prometheus's meaning (a missing label is '', regular expressions are RE2, fully anchored).
// Owns the type that travels; compileMatcher (regex.ts) makes the predicate.

export type MatchType = '=' | '!=' | '=~' | '!~'

export interface LabelMatcher {
  readonly type: MatchType
  readonly name: string
  readonly value: string
}
