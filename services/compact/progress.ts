// How much is left to do: thanos_compact_todo_*, calculated from the compactor's last view of the bucket.
// Specification: names and meaning of Thanos pkg/compact/compact.go (…ProgressCalculator).
// Owns the timer; the playing forward is lib/compact/forecast.ts's.
import { forecast } from '../../lib/compact/forecast.ts'
import type { ServiceContext } from '../../lib/kit/lifecycle.ts'
import { gauge } from '../../lib/kit/metrics.ts'
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
