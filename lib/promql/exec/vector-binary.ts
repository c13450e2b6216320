// Arithmetic and comparisons between two vectors: series matched by labels, one to one or many to one.
// Specification: Prometheus 3.14, promql/engine.go (VectorBinop, resultMetric).
// Owns the matching: groups over all steps, with a look at single steps only where a group has several series.

import { compareStrings, type Labels, labelsKey, labelsOf, labelValue } from '../../labels/labels.ts'
import { formatLabelsGo } from '../functions/go-format.ts'
import { arithmetic, comparisons, isTrim } from '../functions/operators.ts'
import type { VectorMatching } from '../parse/ast.ts'
import { keepsName } from '../plan/names.ts'
import type { VectorBinaryPlan } from '../plan/plan.ts'
import { type Context, duplicateSeries, executionError, type SeriesStream } from './context.ts'
import { matchKeys, matchLabels } from './grouping.ts'
import { type BinaryOutcome, combineHistograms, type Note } from './histogram-binary.ts'
import { collect, emit, hasSample, type KeptSeries, Matrix, setHistogram } from './matrix.ts'
import { withoutName } from './names.ts'

/** Series with one signature: `many` and `one` are the sides of the matching, whichever stood left. */
interface MatchGroup {
  readonly one: KeptSeries[]
  /** Steps at which the group has had a match; only kept where the group may have two. */
  matched?: Uint8Array
  /** The same by result labels, for many-to-one. */
  readonly matchedByLabels: Map<string, Uint8Array>
}

export async function* vectorBinaryOperator(plan: VectorBinaryPlan, context: Context): SeriesStream {
  const lhs = await collect(plan.lhs, context)
  const rhs = await collect(plan.rhs, context)
  const output = new Matrix(context)
  new VectorMatch(plan, context, output).run(lhs.series, rhs.series)
  lhs.release()
  rhs.release()
  yield* emit(output, context)
}

class VectorMatch {
  readonly #plan: VectorBinaryPlan
  readonly #context: Context
  readonly #output: Matrix
  readonly #byLabels = new Map<string, KeptSeries>()
  /** What is to be said of a step: as in Prometheus, what came up last. */
  readonly #notes: (Note | undefined)[] = []
  #failure: { readonly step: number; readonly error: Error } | undefined
  readonly #apply: (many: number, one: number) => number
  readonly #keep: ((many: number, one: number) => boolean) | undefined

  constructor(plan: VectorBinaryPlan, context: Context, output: Matrix) {
    this.#plan = plan
    this.#context = context
    this.#output = output
    const swapped = plan.matching.card === 'one-to-many'
    const compute = arithmetic[plan.op] ?? ((left: number) => left)
    this.#apply = swapped ? (many, one) => compute(one, many) : compute
    const compare = comparisons[plan.op]
    this.#keep = compare === undefined || !swapped ? compare : (many, one) => compare(one, many)
  }

  run(lhs: readonly KeptSeries[], rhs: readonly KeptSeries[]): void {
    const { matching } = this.#plan
    const [many, one] = matching.card === 'one-to-many' ? [rhs, lhs] : [lhs, rhs]
    const key = matchKeys(matching)
    const groups = new Map<string, MatchGroup>()
    for (const series of one) {
      const signature = key(series.labels)
      const group = groups.get(signature)
      if (group === undefined) groups.set(signature, { one: [series], matchedByLabels: new Map() })
      else group.one.push(series)
    }
    if (groups.size < one.length) this.#refuseTwoOnOneSide(one, many, key)
    const filled = new Matrix(this.#context)
    for (const series of many) {
      const signature = key(series.labels)
      const group = groups.get(signature)
      if (group !== undefined) for (const other of group.one) this.#combine(series, other, group)
      // In between, as in Prometheus: of two notes at one step the later one is given.
      if (matching.fill?.rhs !== undefined) groups.set(signature, this.#fillOne(filled, series, group))
    }
    this.#fillMany(filled, groups.values())
    filled.release()
    if (this.#failure !== undefined) throw this.#failure.error
    for (const note of this.#notes) note?.(this.#context.query.annotations, this.#plan.pos)
  }

  // At a step at which a series has no match on the other side, a value stands in for that. As in Prometheus, the values
  // are those of the sides as matched, which group_right swaps.
  #fillOne(filled: Matrix, series: KeptSeries, found: MatchGroup | undefined): MatchGroup {
    const group = found ?? { one: [], matchedByLabels: new Map() }
    const value = this.#plan.matching.fill?.rhs ?? 0
    const missing = (step: number) => !group.one.some((other) => hasSample(other, step))
    const other = this.#standIn(filled, series, { value, missing })
    if (other !== undefined) this.#combine(series, other, group)
    return group
  }

  #fillMany(filled: Matrix, groups: Iterable<MatchGroup>): void {
    const value = this.#plan.matching.fill?.lhs
    if (value === undefined) return
    for (const group of groups) {
      const matched = (step: number) =>
        group.matched?.[step] === 1 || [...group.matchedByLabels.values()].some((steps) => steps[step] === 1)
      for (const series of group.one) {
        const other = this.#standIn(filled, series, { value, missing: (step) => !matched(step) })
        if (other !== undefined) this.#combine(other, series, group)
      }
    }
  }

  /** A series of one value at those steps of a series at which its other side is missing. */
  #standIn(
    filled: Matrix,
    series: KeptSeries,
    { value, missing }: { value: number; missing: (step: number) => boolean },
  ): KeptSeries | undefined {
    const steps = [...series.present.keys()].filter((step) => hasSample(series, step) && missing(step))
    if (steps.length === 0) return undefined
    const other = filled.add(matchLabels(this.#plan.matching, series.labels), false)
    for (const step of steps) {
      other.values[step] = value
      other.present[step] = 1
    }
    return other
  }

  // Two series of one signature on the "one" side are an error at a step that has both, unless the other side is empty there
  // and nothing fills it.
  #refuseTwoOnOneSide(one: readonly KeptSeries[], many: readonly KeptSeries[], key: (labels: Labels) => string): void {
    const signatures = one.map(({ labels }) => key(labels))
    const isMatched = (step: number) => this.#plan.matching.fill || many.some((series) => hasSample(series, step))
    for (let step = 0; step < this.#context.steps.count; step++) {
      const seen = new Map<string, KeptSeries>()
      for (const [i, series] of one.entries()) {
        if (!hasSample(series, step)) continue
        const before = seen.get(signatures[i]!)
        if (before !== undefined && isMatched(step)) {
          this.#fail(step, this.#manyToMany(before.labels, series.labels))
          return
        }
        seen.set(signatures[i]!, series)
      }
    }
  }

  /** Keeps the error of the earliest step, the first one there: Prometheus goes step by step. */
  #fail(step: number, error: Error): void {
    if (this.#failure === undefined || step < this.#failure.step) this.#failure = { step, error }
  }

  #manyToMany(first: Labels, second: Labels): Error {
    const { matching } = this.#plan
    const side = matching.card === 'one-to-many' ? 'left' : 'right'
    const duplicates = [formatLabelsGo(first), formatLabelsGo(second)].sort(compareStrings)
    const group = formatLabelsGo(matchLabels(matching, first))
    return executionError(
      `found duplicate series for the match group ${group} on the ${side} hand-side of the operation: ` +
        `[${duplicates.join(', ')}];many-to-many matching not allowed: matching labels must be unique on one side`,
    )
  }

  #combine(many: KeptSeries, one: KeptSeries, group: MatchGroup): void {
    const { op, bool, pos } = this.#plan
    const labels = this.#resultLabels(many.labels, one.labels)
    const matched = this.#matchedSteps(group, labels)
    let target: KeptSeries | undefined
    const mixed = many.histograms !== undefined || one.histograms !== undefined
    for (let i = 0; i < many.present.length; i++) {
      let outcome: BinaryOutcome | undefined
      if (many.present[i] === 0 || one.present[i] === 0) {
        if (!mixed || !hasSample(many, i) || !hasSample(one, i)) continue
        outcome = this.#combineHistograms(many, one, i)
        if (outcome === undefined) continue
      } else if (isTrim(op)) {
        this.#notes[i] = (annotations) => annotations.operandTypes({ lhs: 'float', op, rhs: 'float' }, pos)
        continue
      }
      if (matched[i] === 1) {
        this.#fail(i, this.#multipleMatches())
        continue
      }
      matched[i] = 1
      const kept = outcome?.keep ?? this.#keep?.(many.values[i]!, one.values[i]!) ?? true
      if (!kept && !bool) continue
      target ??= this.#target(labels)
      if (hasSample(target, i)) {
        this.#fail(i, duplicateSeries())
        continue
      }
      if (outcome?.histogram !== undefined && !bool) {
        setHistogram(target, i, outcome.histogram)
        continue
      }
      target.present[i] = 1
      target.values[i] = bool ? Number(kept) : this.#apply(many.values[i]!, one.values[i]!)
    }
  }

  /** What comes of a step at which a side has a histogram; undefined where they do not go together. */
  #combineHistograms(many: KeptSeries, one: KeptSeries, step: number): BinaryOutcome | undefined {
    const operands = [many, one].map(({ histograms, values }) => histograms?.[step] ?? values[step]!)
    if (this.#plan.matching.card === 'one-to-many') operands.reverse()
    const outcome = combineHistograms(this.#plan.op, operands[0]!, operands[1]!)
    if (outcome.note !== undefined) this.#notes[step] = outcome.note
    return outcome.histogram === undefined ? undefined : outcome
  }

  #matchedSteps(group: MatchGroup, labels: Labels): Uint8Array {
    const { count } = this.#context.steps
    if (this.#plan.matching.card === 'one-to-one') {
      group.matched ??= new Uint8Array(count)
      return group.matched
    }
    const key = labelsKey(labels)
    const matched = group.matchedByLabels.get(key) ?? new Uint8Array(count)
    group.matchedByLabels.set(key, matched)
    return matched
  }

  #multipleMatches(): Error {
    return executionError(
      this.#plan.matching.card === 'one-to-one'
        ? 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'
        : 'multiple matches for labels: grouping labels must ensure unique matches',
    )
  }

  #target(labels: Labels): KeptSeries {
    const key = labelsKey(labels)
    let target = this.#byLabels.get(key)
    if (target === undefined) {
      target = this.#output.add(labels, this.#plan.bool)
      this.#byLabels.set(key, target)
    }
    return target
  }

  #resultLabels(many: Labels, one: Labels): Labels {
    const { op, bool, matching } = this.#plan
    const dropsName = !keepsName(op, false) || (bool && !this.#context.query.delayedNameRemoval)
    return resultLabels(dropsName ? withoutName(many) : many, one, matching)
  }
}

function resultLabels(many: Labels, one: Labels, matching: VectorMatching): Labels {
  const labels =
    matching.card === 'one-to-one'
      ? matching.on
        ? filterLabels(many, (name) => matching.labels.includes(name))
        : filterLabels(many, (name) => !matching.labels.includes(name))
      : many
  if (matching.include.length === 0) return labels
  const kept = filterLabels(labels, (name) => !matching.include.includes(name))
  const pairs: [string, string][] = matching.include.map((name) => [name, labelValue(one, name)])
  for (let i = 0; i < kept.length; i += 2) pairs.push([kept[i]!, kept[i + 1]!])
  return labelsOf(new Map(pairs))
}

function filterLabels(labels: Labels, keep: (name: string) => boolean): Labels {
  const out: string[] = []
  for (let i = 0; i < labels.length; i += 2) if (keep(labels[i]!)) out.push(labels[i]!, labels[i + 1]!)
  return out
}
