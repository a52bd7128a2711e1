import { useId, type ReactNode } from 'react'

interface Props {
  label: string
  help: string
  changed: boolean
  control: (describedBy: string) => ReactNode
  origin: ReactNode
  /** A list takes the whole width below its label. */
  wide?: boolean
}

/** One field: label and help, control, where the value comes from. A blue bar marks a change. */
export function PolicyRow({ label, help, changed, control, origin, wide = false }: Props) {
  const id = useId()
  return (
    <div
      className={`relative grid items-start gap-x-6 gap-y-3 border-hair px-6 py-5 not-last:border-b max-md:grid-cols-1 max-md:px-4 ${wide ? 'grid-cols-[1fr_220px]' : 'grid-cols-[minmax(180px,240px)_1fr_220px] max-xl:grid-cols-[1fr_220px]'}`}
    >
      {changed && <span aria-hidden="true" className="absolute inset-y-3 left-0 w-1 rounded-r-4 bg-blue-900" />}
      <div>
        <h2 className="font-700">{label}</h2>
        <p id={id} className="text-ink-2">
          {help}
        </p>
      </div>
      {!wide && <div className="min-w-0 max-xl:row-start-2">{control(id)}</div>}
      <div className="flex flex-col items-start gap-1 text-14 text-ink-2">{origin}</div>
      {wide && <div className="col-span-full min-w-0">{control(id)}</div>}
    </div>
  )
}
