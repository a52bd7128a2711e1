import { Fragment } from 'react'
import { Link } from '../route/Link'
import { useText } from '../text/text'

/** Where this page stands; the last crumb is here. */
export function Crumbs({ trail }: { trail: { label: string; href?: string }[] }) {
  const { t } = useText()
  return (
    <nav aria-label={t('frame.trail')} className="flex flex-wrap gap-x-2 text-16">
      {trail.map((c, i) => (
        <Fragment key={c.label}>
          {i > 0 && (
            <span aria-hidden="true" className="text-ink-3">
              /
            </span>
          )}
          {c.href ? (
            <Link href={c.href} className="link">
              {c.label}
            </Link>
          ) : (
            <span aria-current="page">{c.label}</span>
          )}
        </Fragment>
      ))}
    </nav>
  )
}
