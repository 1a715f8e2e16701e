# table.awk - compare the figures of run.sh, and print them
#
# usage: awk -v format=text|json|table|behind -f table.awk MEDIANS PLAN
#
# MEDIANS has lines "WORKLOAD WHO METRIC FIGURE UNIT", PLAN the rows of plan.sh.
# Of every figure less is better.  A ratio "4.5x" says that the peer takes 4.5
# times as much as Tenon, "1.2 of" that Tenon takes 1.2 times as much as the
# peer: whichever the goal speaks of.  It is compared as it is printed.
#
# table is for docs/BENCH.md; behind are those of its rows in which Tenon is
# behind a peer or misses a goal.
#
# SPDX-License-Identifier: BSD-2-Clause

function number(figure)
{
    if (figure == "")
        return "not there"
    return sprintf(figure >= 1000 ? "%.0f" : figure >= 100 ? "%.1f" : "%.2f",
                   figure)
}

# What is compared in this row, and whether the goal is reached.
function compare(    key)
{
    own = figure[$2, $4, $3]
    key = $5
    if (sub(/^.*:/, "", key))
        split($5, place, ":")
    else
        place[1] = $2
    there = (place[1], key, $3) in figure
    its = there ? figure[place[1], key, $3] : ""
    goal = $6
    most = goal ~ /^<=/
    limit = substr(goal, 3) + 0
    ratio = goal_text = ""
    reached = 0 # 1: yes, -1: no
    alone = $5 == "-"
    if (there && own > 0 && its > 0)
        ratio = sprintf("%.2f", most ? own / its : its / own) + 0
    if (goal != "-") {
        goal_text = goal (alone ? "" : most ? " of" : "x")
        if (alone)
            reached = own <= limit ? 1 : -1
        else if (ratio != "")
            reached = (most ? ratio <= limit : ratio >= limit) ? 1 : -1
    }
    behind = there && own > its * 1.05 && key !~ /^tenon/
}

function ratio_text()
{
    return ratio == "" ? "" : sprintf(most ? "%.2f of" : "%.2fx", ratio)
}

function reached_text()
{
    return reached > 0 ? "yes" : reached < 0 ? "NO" : ""
}

function print_text()
{
    if (!rows++)
        printf "%-19s %-9s %-13s %10s %-5s %-14s %10s %9s %9s %s\n",
            "workload", "metric", "who", "figure", "unit", "peer", "its",
            "ratio", "goal", "reached"
    printf "%-19s %-9s %-13s %10s %-5s %-14s %10s %9s %9s %s\n",
        $2, $3, $4, number(own), unit[$2, $4, $3], alone ? "" : $5,
        alone ? "" : number(its), ratio_text(), goal_text, reached_text()
}

function print_json()
{
    printf "%s\n  {\"workload\": \"%s\", \"metric\": \"%s\", " \
        "\"unit\": \"%s\", \"who\": \"%s\", \"figure\": %s, " \
        "\"peer\": %s, \"its\": %s, \"ratio\": %s, \"goal\": %s, " \
        "\"reached\": %s}", rows++ ? "," : "[", $2, $3, unit[$2, $4, $3], $4,
        own, alone ? "null" : "\"" $5 "\"", there ? its : "null",
        ratio == "" ? "null" : "\"" ratio_text() "\"",
        goal_text == "" ? "null" : "\"" goal_text "\"",
        reached == 0 ? "null" : (reached > 0) ? "true" : "false"
}

function print_markdown()
{
    if (!rows++)
        print "| workload | metric | who | figure | unit | peer | its | " \
            "ratio | goal | reached |\n" \
            "|---|---|---|--:|---|---|--:|--:|--:|---|"
    printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
        $2, $3, $4, number(own), unit[$2, $4, $3], alone ? "" : $5,
        alone ? "" : number(its), ratio_text(), goal_text, reached_text()
}

FNR == NR {
    figure[$1, $2, $3] = $4
    unit[$1, $2, $3] = $5
    next
}
$1 != "row" || !(($2, $4, $3) in figure) { next }
{
    compare()
    met += reached > 0
    missed += reached < 0
}
format == "text" { print_text() }
format == "json" { print_json() }
format == "table" || (format == "behind" && (behind || reached < 0)) {
    print_markdown()
}
END {
    if (format == "json")
        print rows ? "\n]" : "[]"
    else if (format == "text" || format == "table")
        printf "%s%d goals reached, %d missed\n", format == "table" ? "\n" : "",
            met, missed
    else if (!rows)
        print "Nowhere in this run."
}
