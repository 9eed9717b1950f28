;;; lanebridge-transient.el --- The menu  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; All that Lanebridge can do, by the letters that it has behind its prefix.

;;; Code:

(require 'transient)
(require 'lanebridge-work)

(defun lanebridge-transient--heading ()
  "What goes on, above the menu."
  (let ((line (string-trim (lanebridge-status-line)))
        (connection (lanebridge-status--said-connection)))
    (concat (propertize "Lanebridge" 'face 'bold)
            (if connection (concat " · " connection) "")
            (if (string-empty-p line) "" (concat "  " line))
            "\n")))

(transient-define-prefix lanebridge-transient ()
  "What Lanebridge can do."
  [:description
   lanebridge-transient--heading
   ["Ask"
    ("a" "open the chat" lanebridge-chat)
    ("A" "ask" lanebridge-ask)
    ("e" "change these lines" lanebridge-edit-here)
    ("x" "explain these lines" lanebridge-explain)
    ("f" "fix the problem here" lanebridge-fix)
    ("o" "open what is asked" lanebridge-approve)
    ("v" "review changes" lanebridge-review)
    ("g" "commit message" lanebridge-commit-message)]
   ["Hunks"
    ("y" "accept" lanebridge-accept)
    ("n" "reject" lanebridge-reject)
    ("Y" "accept the file" lanebridge-accept-file)
    ("N" "reject the file" lanebridge-reject-file)
    ("m" "amend" lanebridge-amend)
    ("j" "next" lanebridge-next-hunk)
    ("k" "previous" lanebridge-previous-hunk)
    ("q" "list" lanebridge-hunks)
    ("d" "compare" lanebridge-diff)]
   ["Turn"
    ("s" "stop" lanebridge-interrupt)
    ("!" "tell it more" lanebridge-steer)
    ("u" "undo" lanebridge-undo-turn)
    ("U" "redo" lanebridge-redo-turn)
    ("r" "ask again" lanebridge-retry)
    ("c" "continue" lanebridge-continue)
    ("Q" "what waits" lanebridge-queue)
    ("P" "carry out the plan" lanebridge-accept-plan)]
   ["Conversation"
    ("t" "open another" lanebridge-threads)
    ("w" "new" lanebridge-new-thread)
    ("F" "fork" lanebridge-fork)
    ("R" "rename" lanebridge-thread-rename)
    ("z" "put away" lanebridge-thread-archive)
    ("D" "delete" lanebridge-thread-delete)
    ("E" "export" lanebridge-thread-export)
    ("C" "make shorter" lanebridge-compact)]
   ["Settings"
    ("M" "mode" lanebridge-set-mode)
    ("L" "model" lanebridge-set-model)
    ("X" "effort" lanebridge-set-effort)
    ("i" "inline completion" lanebridge-inline-mode)
    ("T" "trust this folder" lanebridge-trust)
    ("l" "rules" lanebridge-rules)
    ("K" "enter a key" lanebridge-enter-key)]
   ["Look"
    ("S" "status" lanebridge-status)
    ("V" "what a prompt sends" lanebridge-preview)
    ("W" "what was sent" lanebridge-sent)
    ("?" "doctor" lanebridge-doctor)
    ("0" "restart the server" lanebridge-restart)]])

(provide 'lanebridge-transient)
;;; lanebridge-transient.el ends here
