// Selectors that Prometheus and stores take: one of the matchers at least refuses the empty string.
// Meaning: Prometheus promql/parser/parse.go (checkAST); what the rest accepts alone would be all series there are.
// Owns the rule, and what makes a selector of which some has been met elsewhere one of these again.
import { metricName } from './labels.ts'
import type { LabelMatcher } from './matcher.ts'
import { compileMatcher } from './regex.ts'

/** Throws `bad_data` on an invalid pattern. */
export function isBounded(matchers: readonly LabelMatcher[]): boolean {
  return matchers.some((matcher) => !compileMatcher(matcher)(''))
}

/** The same series by a selector that is bounded: every series has a name. Throws `bad_data` on an invalid pattern. */
export function bounded(matchers: readonly LabelMatcher[]): readonly LabelMatcher[] {
  return isBounded(matchers) ? matchers : [...matchers, { name: metricName, type: '!=', value: '' }]
}
