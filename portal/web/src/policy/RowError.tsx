import type { EntryProblem } from '../api/types'
import { Sign } from '../part/Sign'
import { useText } from '../text/text'

export type RowErrors = EntryProblem[]

/** What is wrong with an entry, in the words of the screen. */
export function RowError({ errors }: { errors: RowErrors }) {
  const { code } = useText()
  return (
    <>
      {errors.map((e) => (
        <p key={e.path + e.code} role="alert" className="flex items-start gap-1.5 text-red-1000">
          <span className="flex h-[1.6em] items-center text-red-900">
            <Sign tone="urgent" />
          </span>
          {code('entry.', e.code, e.args, 'entry.other')}
        </p>
      ))}
    </>
  )
}
