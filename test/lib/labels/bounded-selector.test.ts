// Which selectors are bounded, and what makes one so that is not.
// Subject: lib/labels/bounded-selector.ts. Owns nothing.
import { expect, test } from 'vitest'
import { bounded, isBounded } from '../../../lib/labels/bounded-selector.ts'
import type { LabelMatcher, MatchType } from '../../../lib/labels/matcher.ts'

function matcher(type: MatchType, value: string): LabelMatcher {
  return { name: 'job', type, value }
}

const named = { name: '__name__', type: '!=', value: '' }

test.each<[string, LabelMatcher[], boolean]>([
  ['{}', [], false],
  ['{job="a"}', [matcher('=', 'a')], true],
  ['{job=""}', [matcher('=', '')], false],
  ['{job!="a"}', [matcher('!=', 'a')], false],
  ['{job!=""}', [matcher('!=', '')], true],
  ['{job=~"a|"}', [matcher('=~', 'a|')], false],
  ['{job=~".+"}', [matcher('=~', '.+')], true],
  ['{job!~".+"}', [matcher('!~', '.+')], false],
  ['{job!="a",job!~"b*"}', [matcher('!=', 'a'), matcher('!~', 'b*')], true],
])('%s', (_, matchers, want) => {
  expect(isBounded(matchers)).toBe(want)
  expect(bounded(matchers)).toEqual(want ? matchers : [...matchers, named])
  expect(isBounded(bounded(matchers))).toBe(true)
})

test('a pattern that is none is named', () => {
  expect(() => bounded([matcher('=~', '(')])).toThrowError(expect.objectContaining({ code: 'bad_data' }))
})
