// The worker of workers.test.ts.
import { workerData } from 'node:worker_threads'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { Moved, serveWorker } from '../../../lib/kit/workers.ts'
import type { Answer, Order } from './workers.test.ts'

serveWorker<Order, Answer>(async (order, signal, canceled) => {
  switch (order.kind) {
    case 'double':
      return { value: order.value * 2, data: workerData }
    case 'fail':
      throw new MnemoError('corrupt', 'cannot read block', { cause: new Error('bad checksum') })
    case 'bug':
      throw new TypeError('x is not a function')
    case 'die':
      return process.exit(3)
    case 'crash':
      setTimeout(() => {
        throw new Error('outside of any handler')
      })
      return new Promise<Answer>(() => {})
    case 'wait': {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      new Int32Array(order.seen)[0] = 1
      return { value: 0 }
    }
    case 'spin': {
      while (!canceled()) Atomics.add(new Int32Array(order.seen), 0, 1)
      Atomics.store(new Int32Array(order.seen), 1, 1)
      return { value: 0 }
    }
    case 'move': {
      const bytes = new Uint8Array(order.bytes)
      return new Moved({ value: bytes.length, bytes: bytes.buffer }, [bytes.buffer])
    }
  }
})
