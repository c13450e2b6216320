// The service that lifecycle.test.ts starts as a process of its own.
import { MnemoError } from '../../../lib/kit/errors.ts'
import { boolFlag, enumFlag } from '../../../lib/kit/flags.ts'
import { grpcOptionsOf, startGrpc } from '../../../lib/kit/grpc.ts'
import { startHttp } from '../../../lib/kit/http.ts'
import { commonFlags, runService } from '../../../lib/kit/lifecycle.ts'

const ways = ['serve', 'done', 'fail', 'config', 'bug', 'stuck', 'stuck-stop', 'loop'] as const

await runService({
  name: 'demo',
  summary: 'For tests.',
  flags: {
    ...commonFlags,
    way: enumFlag('way', ways, { help: 'What to do.', default: 'serve' }),
    noisy: boolFlag('noisy', { help: 'Says what it stops.' }),
  },
  argv: process.argv.slice(2),
  async run(values, ctx) {
    ctx.onStop('first', () => console.log('stopped first'))
    const http = await startHttp({ ...ctx, address: values.httpAddress, graceMs: values.httpGracePeriodMs }, (app) => {
      app.get('/slow', async () => {
        console.log('slow begun')
        await new Promise((resolve) => setTimeout(resolve, 300))
        return 'slow done'
      })
    })
    await startGrpc({ ...ctx, ...grpcOptionsOf(values) }, [])
    ctx.onStop('last', () => console.log('stopped last'))
    if (values.way === 'fail')
      throw new MnemoError('unavailable', 'cannot reach bucket', { cause: new Error('refused') })
    if (values.way === 'config') throw new MnemoError('config', 'cannot use --bucket')
    if (values.way === 'done') return
    if (values.way === 'stuck-stop') ctx.onStop('stuck', () => new Promise(() => {}))
    if (values.way === 'bug') setTimeout(() => Promise.reject(new TypeError('x is not a function')))
    ctx.probe.ready()
    console.log(`ready ${http.address}`)
    if (values.way === 'stuck') await new Promise(() => {})
    if (values.way === 'loop') {
      while (!ctx.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10))
      ctx.signal.throwIfAborted()
    }
    await ctx.untilStopped()
  },
})
