// Queries that may well be wrong: soups of tokens, and right ones with pieces cut out, put in and swapped.
// Owns the words.
import type { Random } from './random.ts'

const words = [
  ...[
    'foo',
    'bar',
    'a:b',
    'sum',
    'topk',
    'by',
    'without',
    'on',
    'ignoring',
    'group_left',
    'group_right',
    'bool',
    'and',
    'or',
  ],
  ...[
    'unless',
    'atan2',
    'offset',
    '@',
    'start',
    'end',
    'step',
    'range',
    'max_of',
    'min_of',
    'fill',
    'fill_left',
    'anchored',
  ],
  ...[
    'smoothed',
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    ',',
    '=',
    '==',
    '!=',
    '=~',
    '!~',
    '<',
    '>',
    '<=',
    '>=',
    '</',
    '>/',
    '+',
    '-',
  ],
  ...[
    '*',
    '/',
    '%',
    '^',
    ':',
    '5m',
    '1h30m',
    '0',
    '1',
    '-5',
    '1e3',
    '0x1F',
    '1_000',
    'inf',
    'nan',
    '"x"',
    "'y'",
    '`z`',
  ],
  ...[
    '"a.b"',
    'rate',
    'abs',
    'label_replace',
    'time',
    'info',
    'sort_by_label',
    'limitk',
    'quantile',
    'count_values',
    '#c\n',
  ],
  ...['!', '$', 'é', '\n', '"\\u00e9"', '"\\q"', '[5m]', '[5m:1m]', '[1h:]', '{a="b"}', '{a=~".*"}', '{a=~"("}', '()'],
  ...[
    'by (a)',
    'on(a)',
    'rate(foo[5m])',
    '.5',
    '5.',
    '1e',
    '1ms',
    '3d2h',
    '9999999999y',
    '017',
    '1e400',
    '"',
    '`',
    '\\',
    '~',
  ],
  ...[
    '[step()]',
    'offset -(1m+2)',
    '[5m * 2]',
    '[max_of(1m, step())]',
    'fill(0)',
    '[5m/0]',
    '[2^3]',
    '😀',
    '\u0000',
    '\ud800',
  ],
]

/** A query out of tokens, or a change of one that is right. */
export function wrongQuery(random: Random, right: readonly string[]): string {
  if (random.chance(0.35)) {
    const count = 1 + random.below(9)
    return Array.from({ length: count }, () => random.pick(words)).join(random.chance(0.8) ? ' ' : '')
  }
  let query = random.pick(right)
  for (let changes = 1 + random.below(3); changes > 0; changes--) query = changed(query, random, right)
  return query
}

function changed(query: string, random: Random, right: readonly string[]): string {
  const at = random.below(query.length + 1)
  const choice = random.float()
  if (choice < 0.35) return query.slice(0, at) + query.slice(at + 1 + random.below(4))
  if (choice < 0.75) return `${query.slice(0, at)} ${random.pick(words)} ${query.slice(at)}`
  const other = random.pick(right)
  const from = random.below(other.length + 1)
  return query.slice(0, at) + other.slice(from, from + 12) + query.slice(at)
}
