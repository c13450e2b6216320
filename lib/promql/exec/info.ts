// info(): labels of information series (target_info) added to the series of the same instance and job, step by step.
// Specification: Prometheus 3.14, promql/info.go, with its messages.
// Owns the join; what is known of the arguments beforehand is plan/info.ts.

import { type Labels, labelsKey, labelsOf, labelValue, metricName, overlayLabels } from '../../labels/labels.ts'
import type { LabelMatcher } from '../../labels/matcher.ts'
import { compileMatcher } from '../../labels/regex.ts'
import { formatLabelsGo } from '../functions/go-format.ts'
import type { VectorPlan } from '../plan/plan.ts'
import { anyHistogram, type Context, duplicateSeries, executionError, type SeriesStream, viewsOf } from './context.ts'
import { lastHistograms } from './last-histograms.ts'
import { collect, emit, hasSample, type KeptSeries, Matrix, setHistogram } from './matrix.ts'
import { readSeries, referenceSteps } from './selector.ts'

type InfoPlan = Extract<VectorPlan, { kind: 'info' }>

/** Labels that say whose information it is. */
const identifying = ['instance', 'job'] as const

/** An information series: when its sample at each step was taken, ms. */
interface InfoSeries {
  readonly labels: Labels
  readonly timesMs: Float64Array
  readonly present: Uint8Array
}

export async function* infoOperator(plan: InfoPlan, context: Context): SeriesStream {
  const base = await collect(plan.child, context)
  const isInfo = namesInfo(plan.nameMatchers)
  const matchers = matchersFor(
    base.series.filter(({ labels }) => !isInfo(labels)),
    plan,
  )
  const infos = matchers === undefined ? [] : await readInfos(plan, matchers, context)
  const join = new InfoJoin(plan, infos, context)
  join.join(base.series, isInfo)
  base.release()
  yield* emit(join.output, context)
}

function namesInfo(matchers: readonly LabelMatcher[]): (labels: Labels) => boolean {
  const compiled = matchers.map(compileMatcher)
  return (labels) => compiled.every((matches) => matches(labelValue(labels, metricName)))
}

/** What selects the information on any of the series; undefined where they say of nobody. */
function matchersFor(series: readonly KeptSeries[], plan: InfoPlan): LabelMatcher[] | undefined {
  const matchers: LabelMatcher[] = []
  for (const name of identifying) {
    const values = new Set(series.map(({ labels }) => labelValue(labels, name)).filter((value) => value !== ''))
    if (values.size > 0) matchers.push({ name, type: '=~', value: [...values].map(quoteRegex).join('|') })
  }
  return matchers.length === 0 ? undefined : [...matchers, ...plan.dataMatchers, ...plan.nameMatchers]
}

function quoteRegex(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')
}

async function readInfos(plan: InfoPlan, matchers: LabelMatcher[], context: Context): Promise<InfoSeries[]> {
  const { kernels, lookbackMs } = context.query
  const { count } = context.steps
  const select = {
    matchers,
    offsetMs: plan.offsetMs,
    atMs: plan.atMs,
    func: 'info',
    grouping: undefined,
    withoutBuckets: false,
  }
  const reference = referenceSteps(select, context.steps)
  const steps = { ...reference, count, stepMs: plan.atMs === undefined ? reference.stepMs : 0 }
  const mark = kernels.mark()
  const row = kernels.row(count)
  const times = kernels.row(count)
  const infos: InfoSeries[] = []
  for await (const series of readSeries(select, 0, context)) {
    const { labels, columns, histograms } = series
    kernels.lookback(columns, steps, lookbackMs, row, times)
    // Whether or not there is a base at the step (promql/engine.go, evalSeries).
    const last = { context, lookbackMs, row, times: undefined }
    if (histograms.length > 0 && anyHistogram(lastHistograms(series, steps, last)))
      throw executionError(`this should be an info metric, with float samples: ${formatLabelsGo(labels)}`)
    const present = viewsOf(context, row).present.slice()
    context.stats?.addLast(present, undefined)
    if (present.includes(1)) infos.push({ labels, timesMs: viewsOf(context, times).values.slice(), present })
  }
  kernels.release(mark)
  return infos
}

/** A base series on its way through the steps. */
interface BaseSeries {
  readonly series: KeptSeries
  /** The newest information at each step, by name. */
  readonly perName: readonly ((InfoSeries | undefined)[] | undefined)[]
  readonly isInfo: boolean
  /** Whose labels it had last. */
  last?: { readonly infos: readonly InfoSeries[]; readonly target: KeptSeries }
}

class InfoJoin {
  readonly output: Matrix
  readonly #byLabels = new Map<string, KeptSeries>()
  /** By name of the information, then by whose it is: the newest series at each step, undefined where there is none. */
  readonly #infos = new Map<string, Map<string, (InfoSeries | undefined)[]>>()
  /** By step: the first two series found that say something of one target at the same time. */
  readonly #conflicts = new Map<number, readonly [InfoSeries, InfoSeries]>()
  readonly #dataNames: ReadonlySet<string>
  /** A series that nothing is known of stays, but where the second argument wants a label. */
  readonly #keepUnknown: boolean

  constructor(plan: InfoPlan, infos: readonly InfoSeries[], context: Context) {
    this.output = new Matrix(context)
    this.#dataNames = new Set(plan.dataMatchers.map(({ name }) => name))
    this.#keepUnknown = plan.dataMatchers.every((matcher) => compileMatcher(matcher)(''))
    for (const info of infos) this.#addInfo(info, context.steps.count)
  }

  #addInfo(info: InfoSeries, count: number): void {
    const name = labelValue(info.labels, metricName)
    const owners = this.#infos.get(name) ?? new Map<string, (InfoSeries | undefined)[]>()
    this.#infos.set(name, owners)
    const owner = ownerOf(info.labels)
    const newest = owners.get(owner) ?? new Array<InfoSeries | undefined>(count).fill(undefined)
    owners.set(owner, newest)
    for (let step = 0; step < count; step++) {
      if (info.present[step] === 0) continue
      const before = newest[step]
      if (before === undefined || before.timesMs[step]! < info.timesMs[step]!) newest[step] = info
      else if (before.timesMs[step] === info.timesMs[step] && !this.#conflicts.has(step))
        this.#conflicts.set(step, [before, info])
    }
  }

  /**
   * The base series' samples under the labels that they have at each step. Throws `execution` at the first step that has
   * both a sample and a conflict: without any sample nothing is joined (promql/info.go, combineWithInfoVector).
   */
  join(base: readonly KeptSeries[], isInfo: (labels: Labels) => boolean): void {
    const all = base.map((series) => this.#baseSeries(series, isInfo(series.labels)))
    for (let step = 0; step < (base[0]?.present.length ?? 0); step++) {
      const here = all.filter(({ series }) => hasSample(series, step))
      const conflict = this.#conflicts.get(step)
      if (conflict !== undefined && here.length > 0) throw sameTime(conflict, step)
      for (const one of here) this.#add(one, step)
    }
  }

  #baseSeries(series: KeptSeries, isInfo: boolean): BaseSeries {
    const owner = ownerOf(series.labels)
    const perName = isInfo ? [] : [...this.#infos.values()].map((owners) => owners.get(owner))
    return { series, perName, isInfo }
  }

  #add(one: BaseSeries, step: number): void {
    const { series, perName, isInfo } = one
    const infos = perName.map((newest) => newest?.[step]).filter((info) => info !== undefined)
    if (!isInfo && infos.length === 0 && !this.#keepUnknown) return
    if (one.last === undefined || !sameSeries(one.last.infos, infos)) {
      const labels = infos.length === 0 ? series.labels : this.#enriched(series.labels, infos)
      one.last = { infos, target: this.#target(labels, series.dropName) }
    }
    copySample(series, one.last.target, step)
  }

  #enriched(base: Labels, infos: readonly InfoSeries[]): Labels {
    const added = new Map<string, string>()
    for (const { labels } of infos) {
      for (let i = 0; i < labels.length; i += 2) {
        const [name, value] = [labels[i]!, labels[i + 1]!]
        if (name === metricName || (this.#dataNames.size > 0 && !this.#dataNames.has(name))) continue
        const before = added.get(name)
        if (before !== undefined && before !== value) throw executionError(`conflicting label: ${name}`)
        if (labelValue(base, name) === '') added.set(name, value)
      }
    }
    return overlayLabels(base, labelsOf(added))
  }

  #target(labels: Labels, dropName: boolean): KeptSeries {
    const key = labelsKey(labels)
    const target = this.#byLabels.get(key) ?? this.output.add(labels, dropName)
    this.#byLabels.set(key, target)
    return target
  }
}

function ownerOf(labels: Labels): string {
  return labelsKey(identifying.flatMap((name) => [name, labelValue(labels, name)]))
}

function sameSeries(a: readonly InfoSeries[], b: readonly InfoSeries[]): boolean {
  return a.length === b.length && a.every((info, i) => info === b[i])
}

function sameTime([before, info]: readonly [InfoSeries, InfoSeries], step: number): Error {
  const at = `@ ${info.timesMs[step]}`
  const [existing, added] = [formatLabelsGo(before.labels), formatLabelsGo(info.labels)]
  return executionError(`found duplicate series for info metric: existing ${existing} ${at}, new ${added} ${at}`)
}

function copySample(from: KeptSeries, to: KeptSeries, step: number): void {
  if (hasSample(to, step)) throw duplicateSeries()
  const histogram = from.histograms?.[step]
  if (histogram !== undefined) setHistogram(to, step, histogram)
  to.present[step] = from.present[step]!
  to.values[step] = from.values[step]!
}
