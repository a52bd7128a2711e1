/** The product's mark: a gate under a roof. */
export function Mark() {
  return <img src="/mark.svg" alt="" width={32} height={32} className="size-8" />
}
