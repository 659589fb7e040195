"""What people see: tables, pictures and pages of the stored data.

::

    run_files      a run's logs and receipts
    reconstructed  run documents from receipts
    dossier        everything known about a run
    dossier_text   the same as text
    bundle         a run's provenance in one archive
    causes         failed runs grouped by cause
    campaigns      how far campaigns are
    page           the page `results/index.html`
    live           the page `results/live.html` of runs that are being taken
    html_page      a page as one file: text stays text, only known scripts run
    overview       the picture of a run
    run_table      the table of runs
    screen         lines that are redrawn in place on a terminal
    terminal       tables and colors on a terminal
    colors         the colors of all plots
"""
