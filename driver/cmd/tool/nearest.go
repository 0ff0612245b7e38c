package main

import (
	"slices"
	"strings"
)

const nearestMax = 5

// nearest gives up to five of the names, those most like the one given first. Case counts little:
// the likeliest mistake is a lower-case first letter.
func nearest(name string, names []string) []string {
	type ranked struct {
		name     string
		distance int
	}
	lower := strings.ToLower(name)
	var near []ranked
	for _, candidate := range names {
		if candidate == name {
			continue // refused for another reason than its spelling
		}
		other := strings.ToLower(candidate)
		distance := 2 * editDistance(lower, other)
		if distance > len(lower) && len(lower) > 2 && strings.Contains(other, lower) {
			distance = len(lower)
		}
		if distance > max(4, len(lower)) {
			continue
		}
		if lower != other {
			distance++
		}
		near = append(near, ranked{candidate, distance})
	}
	slices.SortFunc(near, func(a, b ranked) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var result []string
	for _, r := range near[:min(nearestMax, len(near))] {
		result = append(result, r.name)
	}
	return result
}

// distanceMax is the length beyond which names are not compared.
const distanceMax = 200

// editDistance counts the insertions, deletions and replacements (Levenshtein) from a to b.
func editDistance(a, b string) int {
	if len(a) > distanceMax || len(b) > distanceMax {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
