// Random valid queries over the series of random-block.ts: every operator and function, modifiers, subqueries, matching.
// Owns the grammar, a weighted choice a rule; newer Prometheus's part of it is taken only where that is asked.

import type { Random } from './random.ts'
import { blockStartMs } from './random-block.ts'

export interface QueryOptions {
  /**
   * Syntax and functions of Prometheus 3, experimental ones among them, and native histograms. Without it, nothing that 2.42
   * evaluates otherwise: equal values of topk, deviations of one series, the digits of count_values, rates of series that
   * begin within the window, atan2 with a scalar, predict_linear of other times than the query's, a φ that varies, comparisons that
   * leave one of several matches.
   */
  readonly modern: boolean
  /** Start timestamps are asked for. */
  readonly starts?: boolean
}

const floatMetrics = [
  'requests_total',
  'errors_total',
  'temperature',
  'pressure',
  'up',
  'latency_bucket',
  'target_info',
]
const nativeMetrics = ['duration_seconds', 'size_bytes', 'load', 'custom_seconds', 'changing_seconds', 'mixed']

const matchers = [
  ...['job="api"', 'job=~"api|web"', 'job!="db"', 'job!~"w.*"', 'instance=~".:[12]"', 'instance!~"c.*"', 'job=~".+"'],
  ...[
    'code="200"',
    'code!=""',
    'code=~"4..|5.."',
    'le="1"',
    'le=~"0.+|\\\\+Inf"',
    'zone="x"',
    'missing=""',
    'job=~"(?i:API)"',
  ],
]

const overRange =
  'rate increase delta irate idelta changes resets deriv sum_over_time avg_over_time count_over_time min_over_time ' +
  'max_over_time last_over_time present_over_time stddev_over_time stdvar_over_time absent_over_time'
const overRangeModern =
  'first_over_time mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time'
const ofCounter = ['rate', 'increase', 'irate']
const counters = ['requests_total', 'errors_total', 'latency_bucket']
const ofVector =
  'abs ceil floor exp sqrt ln log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh deg rad sgn ' +
  'timestamp day_of_month day_of_week day_of_year days_in_month hour minute month year absent sort sort_desc'
const ofHistogram = 'histogram_count histogram_sum histogram_avg histogram_stddev histogram_stdvar'

const words = (text: string) => text.split(' ')

export class QueryGenerator {
  readonly #random: Random
  readonly #modern: boolean
  readonly #starts: boolean

  constructor(random: Random, { modern, starts = false }: QueryOptions) {
    this.#random = random
    this.#modern = modern
    this.#starts = starts
  }

  query(): string {
    const r = this.#random.float()
    if (r < 0.04) return this.#scalar(2)
    return this.#vector(1 + this.#random.below(4))
  }

  #pick(...choices: readonly (readonly [weight: number, make: () => string])[]): string {
    let at = this.#random.float() * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, make] of choices) {
      at -= weight
      if (at < 0) return make()
    }
    return choices.at(-1)![1]()
  }

  #vector(depth: number): string {
    if (depth <= 0) return this.#selector() + this.#modifiers()
    const less = depth - 1
    const vector = () => this.#vector(less)
    return this.#pick(
      [2, () => this.#selector() + this.#modifiers()],
      [5, () => this.#range(less)],
      [5, () => this.#aggregate(less)],
      [3, () => this.#binary(less)],
      [3, () => this.#withScalar(less)],
      [2, () => `${this.#random.pick(words(ofVector))}(${vector()})`],
      [0.6, () => `-${this.#random.chance(0.5) ? `(${vector()})` : this.#selector()}`],
      [0.5, () => `(${vector()})`],
      [0.7, () => `clamp(${vector()}, ${this.#scalar(0)}, ${this.#scalar(0)})`],
      [0.7, () => `${this.#random.pick(['clamp_min', 'clamp_max', 'round'])}(${vector()}, ${this.#scalar(0)})`],
      [0.4, () => `vector(${this.#scalar(less)})`],
      [1, () => this.#relabel(less)],
      [1, () => this.#classicQuantile(less)],
      [this.#modern ? 2 : 0, () => this.#nativeFunction(less)],
      [this.#modern ? 1 : 0, () => this.#modernFunction(less)],
    )
  }

  #metric(): string {
    return this.#random.pick(this.#modern && this.#random.chance(0.35) ? nativeMetrics : floatMetrics)
  }

  #selector(): string {
    const chosen = Array.from({ length: this.#random.below(3) }, () => this.#random.pick(matchers))
    const r = this.#random.float()
    if (r < 0.04) return `{__name__=~"${this.#random.pick(['temp.*', 'err.+|up', '.*_total'])}",${chosen.join(',')}}`
    return chosen.length === 0 ? this.#metric() : `${this.#metric()}{${chosen.join(',')}}`
  }

  #modifiers(): string {
    const at = () => `@ ${this.#random.pick(['start()', 'end()', this.#time(), this.#time()])}`
    const offset = () => `offset ${this.#random.chance(0.2) ? '-' : ''}${this.#duration()}`
    return this.#pick(
      [8, () => ''],
      [1.5, () => ` ${offset()}`],
      [0.7, () => ` ${at()}`],
      [0.3, () => (this.#random.chance(0.5) ? ` ${at()} ${offset()}` : ` ${offset()} ${at()}`)],
    )
  }

  /** Within the block or near it, on no multiple of a subquery's step. */
  #time(): string {
    return String(blockStartMs / 1000 + this.#random.below(500) * 15 + 7)
  }

  #duration(): string {
    return this.#random.pick(['30s', '1m', '90s', '2m', '5m', '5m', '10m', '15m', '1h'])
  }

  #matrix(depth: number): string {
    if (depth > 0 && this.#random.chance(0.25)) {
      const step = this.#random.pick(['', '1m', '30s', '2m', '5m'])
      return `${this.#subqueryOf(depth - 1)}[${this.#duration()}:${step}]${this.#modifiers()}`
    }
    const extended = this.#modern && this.#random.chance(0.1) ? this.#random.pick([' anchored', ' smoothed']) : ''
    return `${this.#selector()}[${this.#duration()}]${extended}${this.#modifiers()}`
  }

  #subqueryOf(depth: number): string {
    return this.#random.chance(0.5) ? this.#selector() : `(${this.#vector(depth)})`
  }

  #range(depth: number): string {
    const functions = this.#modern ? `${overRange} ${overRangeModern}` : overRange
    return this.#pick(
      [8, () => this.#overRange(this.#random.pick(words(functions)), depth)],
      [1, () => `quantile_over_time(${this.#quantile()}, ${this.#matrix(depth)})`],
      [this.#modern ? 0.7 : 0, () => `predict_linear(${this.#matrix(depth)}, ${this.#scalar(0)})`],
    )
  }

  #overRange(name: string, depth: number): string {
    if (this.#modern || !ofCounter.includes(name)) return `${name}(${this.#matrix(depth)})`
    return `${name}(${this.#random.pick(counters)}[${this.#duration()}])`
  }

  #quantile(): string {
    const varying = this.#modern ? ['scalar(up{job="api",instance="a:1"})'] : []
    return this.#random.pick(['0', '0.5', '0.9', '0.99', '1', '0.25', '1.2', '-1', 'NaN', ...varying])
  }

  #labels(): string {
    const names = ['job', 'instance', 'code', 'le', 'zone', 'nothing', '__name__']
    const count = this.#random.below(3)
    return Array.from({ length: count }, () => this.#random.pick(names)).join(', ')
  }

  #grouping(): string {
    const r = this.#random.float()
    return r < 0.3 ? '' : ` ${r < 0.7 ? 'by' : 'without'} (${this.#labels()})`
  }

  #aggregate(depth: number): string {
    const vector = this.#vector(depth)
    const by = this.#grouping()
    const k = this.#random.pick(['1', '2', '3', '5', '0', '-1', '2.7', 'scalar(up{job="api",instance="a:1"}) + 1'])
    const operators = this.#modern ? 'sum avg count min max group stddev stdvar' : 'sum avg count min max group'
    return this.#pick(
      [8, () => `${this.#random.pick(words(operators))}${by} (${vector})`],
      [2, () => `${this.#random.pick(['topk', 'bottomk'])}${by} (${k}, ${this.#ordered()})`],
      [1, () => `quantile${by} (${this.#quantile()}, ${vector})`],
      [0.7, () => `count_values${by} ("value", ${this.#modern ? vector : 'pressure'})`],
      [this.#modern ? 0.7 : 0, () => `limitk${by} (${k}, ${this.#ordered()})`],
      [
        this.#modern ? 0.7 : 0,
        () => `limit_ratio${by} (${this.#random.pick(['0.3', '-0.4', '1', '0.77', '1.5'])}, ${vector})`,
      ],
    )
  }

  /** Series in an order that Prometheus keeps: with equal values it decides. */
  #ordered(): string {
    if (!this.#modern) return 'temperature'
    return this.#random.chance(0.5) ? this.#selector() : `${this.#random.pick(words(overRange))}(${this.#matrix(0)})`
  }

  #matching(many: boolean): string {
    const labels = this.#pick(
      [3, () => 'on (job, instance)'],
      [1, () => 'on (job)'],
      [2, () => 'ignoring (code, le, zone, version)'],
      [0.5, () => 'on ()'],
      [0.5, () => `ignoring (${this.#labels()})`],
    )
    if (!many || this.#random.chance(0.6)) return labels
    const include = this.#random.pick([' ()', ' ()', ' (version)', ' (zone, version)'])
    return `${labels} ${this.#random.pick(['group_left', 'group_right'])}${include}`
  }

  #binary(depth: number): string {
    const lhs = this.#vector(depth)
    // Now and then the same again: what is equal may be shared.
    const rhs = this.#random.chance(0.15) ? lhs : this.#vector(depth)
    if (this.#random.chance(0.3)) {
      const matching = this.#random.chance(0.6) ? ` ${this.#matching(false)}` : ''
      return `(${lhs}) ${this.#random.pick(['and', 'or', 'unless'])}${matching} (${rhs})`
    }
    const comparison = this.#random.chance(0.3)
    const bool = comparison && (!this.#modern || this.#random.chance(0.4)) ? ' bool' : ''
    const op = comparison ? this.#comparison() : this.#arithmetic()
    const matching = this.#random.chance(0.7) ? ` ${this.#matching(true)}` : ''
    const fill =
      this.#modern && this.#random.chance(0.1)
        ? ` ${this.#random.pick(['fill(0)', 'fill_left(1)', 'fill_right(2)'])}`
        : ''
    return `(${lhs}) ${op}${bool}${matching}${fill} (${rhs})`
  }

  #arithmetic(): string {
    const op = this.#random.pick(['+', '-', '*', '/', '%', '^', 'atan2', '+', '-', '*', '/'])
    return this.#modern || op !== 'atan2' ? op : '*'
  }

  #comparison(): string {
    return this.#random.pick(['==', '!=', '<', '>', '<=', '>='])
  }

  #withScalar(depth: number): string {
    const vector = `(${this.#vector(depth)})`
    const scalar = this.#scalar(depth > 1 ? 1 : 0)
    const trim = this.#modern && this.#random.chance(0.1)
    const comparison = this.#random.chance(0.4)
    const op = trim ? this.#random.pick(['</', '>/']) : comparison ? this.#comparison() : this.#arithmetic()
    const bool = comparison && !trim && this.#random.chance(0.4) ? ' bool' : ''
    return this.#random.chance(0.7) || trim ? `${vector} ${op}${bool} ${scalar}` : `${scalar} ${op}${bool} ${vector}`
  }

  #scalar(depth: number): string {
    const number = () =>
      this.#random.pick(['0', '1', '2', '0.5', '-3', '10', '1e3', '100', 'NaN', 'Inf', '-Inf', '3.7', '7'])
    if (depth <= 0) return number()
    return this.#pick(
      [4, number],
      [1, () => 'time()'],
      [0.5, () => 'pi()'],
      [1.5, () => `scalar(${this.#vector(depth - 1)})`],
      [1, () => `(${this.#scalar(depth - 1)} ${this.#arithmetic()} ${this.#scalar(depth - 1)})`],
      [0.4, () => `(${this.#scalar(depth - 1)} ${this.#comparison()} bool ${this.#scalar(depth - 1)})`],
      [
        this.#modern ? 0.4 : 0,
        () => `${this.#random.pick(['max_of', 'min_of'])}(${number()}, ${this.#scalar(depth - 1)})`,
      ],
    )
  }

  #relabel(depth: number): string {
    const vector = this.#vector(depth)
    return this.#pick(
      [1, () => `label_replace(${vector}, "to", "$1-x", "instance", "(.):.*")`],
      [1, () => `label_replace(${vector}, "job", "$1", "zone", "(.*)")`],
      [0.5, () => `label_replace(${vector}, "__name__", "renamed_$1", "job", "(.+)")`],
      [1, () => `label_join(${vector}, "to", "/", "job", "instance")`],
      [0.5, () => `label_join(${vector}, "job", "", "nothing")`],
    )
  }

  #classicQuantile(depth: number): string {
    const inner = this.#pick(
      [2, () => `rate(latency_bucket[${this.#duration()}])`],
      [2, () => `sum by (le${this.#random.pick(['', ', job'])}) (rate(latency_bucket[${this.#duration()}]))`],
      [1, () => 'latency_bucket'],
      [0.5, () => this.#vector(depth)],
    )
    return `histogram_quantile(${this.#quantile()}, ${inner})`
  }

  #native(depth: number): string {
    const metric = () => this.#random.pick(nativeMetrics)
    return this.#pick(
      [2, () => `${this.#random.pick(['rate', 'increase', 'delta', 'irate'])}(${metric()}[${this.#duration()}])`],
      [2, () => `sum${this.#grouping()} (rate(${metric()}[${this.#duration()}]))`],
      [1, () => `avg${this.#grouping()} (${metric()})`],
      [1, metric],
      [1, () => `${this.#random.pick(['sum', 'avg', 'last'])}_over_time(${metric()}[${this.#duration()}])`],
      [0.5, () => this.#vector(depth)],
    )
  }

  #nativeFunction(depth: number): string {
    const native = this.#native(depth)
    return this.#pick(
      [2, () => `${this.#random.pick(words(ofHistogram))}(${native})`],
      [2, () => `histogram_quantile(${this.#quantile()}, ${native})`],
      [1, () => `histogram_fraction(${this.#scalar(0)}, ${this.#scalar(0)}, ${native})`],
      [0.5, () => `histogram_quantiles(${native}, "q", 0.1, ${this.#quantile()})`],
      [1, () => native],
    )
  }

  #modernFunction(depth: number): string {
    const vector = this.#vector(depth)
    return this.#pick(
      [1, () => `double_exponential_smoothing(${this.#matrix(depth)}, 0.3, 0.6)`],
      [1, () => `sort_by_label${this.#random.pick(['', '_desc'])}(${vector}, "job", "instance")`],
      [1, () => `info(${vector})`],
      [0.5, () => `info(${vector}, {version=~".+"})`],
      [this.#starts ? 2 : 0, () => `start_timestamp(${this.#selector()}${this.#modifiers()})`],
      [0.5, () => `${this.#selector()} smoothed`],
      [0.5, () => `rate(${this.#metric()}[step() * 2 + 1m])`],
    )
  }
}
