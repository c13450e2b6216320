// How much is left to do: thanos_compact_todo_* from the compactor's last view of the bucket; on a terminal a bar for a single run.
// Specification: names and meaning of Thanos pkg/compact/compact.go (…ProgressCalculator).
// Owns the timer and the bar; the playing forward is lib/compact/forecast.ts's.
import type { BucketView } from '../../lib/compact/block-sync.ts'
import { blockBytes, forecast } from '../../lib/compact/forecast.ts'
import type { ServiceContext } from '../../lib/kit/lifecycle.ts'
import { gauge } from '../../lib/kit/metrics.ts'
import { type Progress, startProgress } from '../../lib/kit/progress.ts'
import type { BlockViews } from './block-views.ts'
import { type CompactConfig, forecastOptionsOf } from './config.ts'

/** Calculates at each interval until the service stops. */
export function exposeProgress(config: CompactConfig, ctx: ServiceContext, views: BlockViews): void {
  const made = (name: string, help: string) => gauge(ctx.registry, { name: `thanos_compact_todo_${name}`, help })
  const todo = {
    compactions: made('compactions', 'number of compactions to be done'),
    blocks: made('compaction_blocks', 'number of blocks planned to be compacted'),
    downsampling: made('downsample_blocks', 'number of blocks to be downsampled'),
    deletion: made('deletion_blocks', 'number of blocks that have crossed their retention period'),
  }
  if (config.progressIntervalMs === 0) return
  const calculate = () => {
    const view = views.loaded
    if (!view) return
    const plan = forecast(view, forecastOptionsOf(config, Date.now()))
    todo.compactions.set(plan.compactions.length)
    todo.blocks.set(plan.compactions.reduce((sum, { inputs }) => sum + inputs.length, 0))
    todo.downsampling.set(plan.downsamplings.length)
    todo.deletion.set(plan.deletionMarks.length)
  }
  const unsubscribe = views.onFirstLoaded(calculate)
  const timer = setInterval(calculate, config.progressIntervalMs)
  ctx.onStop('progress', () => {
    clearInterval(timer)
    unsubscribe()
  })
}

/** A run's bar on a terminal, by bytes: inputs are read once, and what is made of them is read back. */
export class RunProgress {
  readonly #config: CompactConfig
  #bar: Progress | undefined

  constructor(config: CompactConfig) {
    this.#config = config
  }

  /** The first view of the bucket says how much there is to do. */
  start(view: BucketView): void {
    if (this.#bar) return
    const { compactions, downsamplings } = forecast(view, forecastOptionsOf(this.#config, Date.now()))
    const compacted = compactions.reduce((sum, { estimatedBytes }) => sum + 2 * estimatedBytes, 0)
    const downsampled = downsamplings.reduce((sum, { meta }) => sum + blockBytes(meta), 0)
    this.#bar = startProgress({ what: 'compacting', total: compacted + downsampled })
  }

  read(bytes: number): void {
    this.#bar?.step(bytes)
  }

  done(): void {
    this.#bar?.done()
  }
}
