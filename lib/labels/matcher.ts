// Label matchers: =, !=, =~, !~ with Prometheus's meaning (a missing label is '', regular expressions are RE2, fully anchored).
// Owns the type that travels and its text; compileMatcher (regex.ts) makes the predicate.

export type MatchType = '=' | '!=' | '=~' | '!~'

export interface LabelMatcher {
  readonly type: MatchType
  readonly name: string
  readonly value: string
}

/** A selector as PromQL writes it; names that need quotes are refused by Prometheus before version 3, others pass. */
export function formatSelector(matchers: readonly LabelMatcher[]): string {
  const texts = matchers.map(({ name, type, value }) => {
    const spelled = /^[a-zA-Z_]\w*$/.test(name) ? name : JSON.stringify(name)
    return `${spelled}${type}${JSON.stringify(value)}`
  })
  return `{${texts.join(',')}}`
}
