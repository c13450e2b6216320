// Relabelling: each action as Prometheus has it, and what is refused.
import { expect, test } from 'vitest'
import { compileRelabel, parseRelabelConfig } from '../../../lib/labels/relabel.ts'

const what = 'the rules'
const labels = ['a', 'foo', 'b', 'bar', 'c', 'baz']
const relabel = (yaml: string, from: readonly string[] = labels) =>
  compileRelabel(parseRelabelConfig(yaml, { what }))(from)

// Cases and results: Prometheus 3.14, model/relabel/relabel_test.go, told anew.
test.each<[string, string, readonly string[] | undefined]>([
  ['nothing', '', labels],
  [
    'replace into another label',
    `[{source_labels: [a], regex: f(.*), target_label: d, replacement: "ch\${1}-ch\${1}"}]`,
    [...labels, 'd', 'choo-choo'],
  ],
  [
    'replace, then by what it made',
    `[{source_labels: [a, b], regex: f(.*);(.*)r, target_label: a, replacement: "b\${1}\${2}m"}, {source_labels: [c, a], regex: (b).*b(.*)ba(.*), target_label: d, replacement: "$1$2$2$3"}]`,
    ['a', 'boobam', 'b', 'bar', 'c', 'baz', 'd', 'boooom'],
  ],
  ['no match changes nothing', '[{source_labels: [a], regex: xx(.*), target_label: a, replacement: y}]', labels],
  [
    'an empty replacement removes',
    '[{source_labels: [a], regex: (.*), target_label: a, replacement: ""}]',
    ['b', 'bar', 'c', 'baz'],
  ],
  ['a constant where no source is named', '[{target_label: d, replacement: x}]', [...labels, 'd', 'x']],
  [
    'the target from the match',
    '[{source_labels: [a], regex: (f)oo, target_label: "x_$1", replacement: "1"}]',
    [...labels, 'x_f', '1'],
  ],
  ['drop', '[{action: drop, source_labels: [a], regex: .*o.*}]', undefined],
  ['drop what does not match', '[{action: drop, source_labels: [a], regex: no}]', labels],
  ['anchored', '[{action: drop, source_labels: [a], regex: "f|o"}]', labels],
  ['keep', '[{action: keep, source_labels: [a], regex: no}]', undefined],
  ['keep what matches', '[{action: Keep, source_labels: [a, b], separator: "-", regex: foo-bar}]', labels],
  ['keepequal', '[{action: keepequal, source_labels: [a], target_label: b}]', undefined],
  ['dropequal', '[{action: dropequal, source_labels: [a], target_label: b}]', labels],
  [
    'lowercase and uppercase',
    '[{action: uppercase, source_labels: [a], target_label: a}, {action: lowercase, source_labels: [a, b], target_label: d}]',
    ['a', 'FOO', 'b', 'bar', 'c', 'baz', 'd', 'foo;bar'],
  ],
  ['hashmod', '[{action: hashmod, source_labels: [c], modulus: 1000, target_label: d}]', [...labels, 'd', '976']],
  ['labelmap', '[{action: labelmap, regex: "([ab])", replacement: "x_$1"}]', [...labels, 'x_a', 'foo', 'x_b', 'bar']],
  ['labeldrop', '[{action: labeldrop, regex: "a|c"}]', ['b', 'bar']],
  ['labelkeep', '[{action: labelkeep, regex: "a|c"}]', ['a', 'foo', 'c', 'baz']],
  ['all labels gone', '[{action: labeldrop, regex: ".*"}]', []],
])('%s', (_, yaml, want) => {
  expect(relabel(yaml)).toEqual(want)
})

test.each([
  ['a: b', 'want a list'],
  ['[x]', 'rule 1: got "x", want a mapping'],
  ['[{target_label: a}, {action: explode}]', 'rule 2: got action explode'],
  ['[{source_labels: [a]}]', 'got replace without target_label'],
  ['[{action: hashmod, target_label: a}]', 'want both modulus and target_label'],
  ['[{action: hashmod, target_label: a, modulus: x}]', 'modulus: got x'],
  ['[{action: labeldrop, regex: a, source_labels: [b]}]', 'got source_labels, which labeldrop does not take'],
  ['[{action: keepequal, source_labels: [b], target_label: a, regex: c}]', 'got regex, which keepequal does not take'],
  ['[{action: drop, regex: "("}]', 'got regex ('],
  ['[{action: drop, regex: "\\\\Qa"}]', 'got regex \\Qa'],
  ['[{action: drop, regexp: a}]', 'unknown key regexp'],
  ['[', 'no YAML'],
])('%s is refused', (yaml, want) => {
  expect(() => parseRelabelConfig(yaml, { what })).toThrow(want)
  expect(() => parseRelabelConfig(yaml, { what })).toThrow(/^cannot use the rules: /)
})
