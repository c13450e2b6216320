// The repeated --match of the tools that read series: any of the selectors is enough, none takes all.
// Grammar: PromQL's series selectors.
// Owns nothing.
import { MnemoError } from '../../lib/kit/errors.ts'
import { type Labels, labelValue } from '../../lib/labels/labels.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import { parseSelector } from '../../lib/promql/parse/parser.ts'

/** Whether a series is meant. Throws `config` for a selector that is none. */
export function seriesFilter(selectors: readonly string[]): (labels: Labels) => boolean {
  const any = selectors.map((text) => {
    try {
      return parseSelector(text).map((matcher) => ({ name: matcher.name, test: compileMatcher(matcher) }))
    } catch (cause) {
      throw new MnemoError('config', `cannot use --match=${text}`, { cause })
    }
  })
  return (labels) =>
    any.length === 0 || any.some((all) => all.every(({ name, test }) => test(labelValue(labels, name))))
}
