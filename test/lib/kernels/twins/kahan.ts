// Twin of the kernels' Kahan summation (Prometheus util/kahansum): a sum and its compensation.

export class KahanSum {
  sum: number
  c: number

  constructor(sum = 0, c = 0) {
    this.sum = sum
    this.c = c
  }

  add(x: number): void {
    const next = this.sum + x
    if (Math.abs(next) === Infinity) this.c = 0
    else if (Math.abs(this.sum) >= Math.abs(x)) this.c += this.sum - next + x
    else this.c += x - next + this.sum
    this.sum = next
  }
}
