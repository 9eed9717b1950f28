;;; lanebridge-status.el --- What goes on, in a few words  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; For the mode line, the chat's header and the rule above its prompt.

;;; Code:

(require 'subr-x)
(require 'lanebridge-state)
(require 'lanebridge-render)
(require 'lanebridge-approval)

(declare-function lanebridge-hunks-count "lanebridge-hunks")
(defvar lanebridge-view-thread)

(defconst lanebridge-status--words
  '(("connecting" . "connecting")
    ("waiting" . "waiting")
    ("thinking" . "thinking")
    ("streaming" . "answering")
    ("draining" . "stopping")
    ("rotating" . "changing sockets")
    ("offline" . "offline"))
  "States of the connection in words; others say nothing of a turn.")

(defvar lanebridge-status--timer nil
  "Timer that draws mode lines again while a turn runs.")

(defun lanebridge-status--connection ()
  "State of the connection to the endpoint, as the server told it."
  (plist-get lanebridge-state-connection :state))

(defun lanebridge-status-asks ()
  "What says how to open what is asked."
  (substitute-command-keys "asks you: \\[lanebridge-approve]"))

(defun lanebridge-status-activity (turn)
  "What TURN does at this moment."
  (let ((call (seq-find (lambda (item)
                          (and (not (lanebridge-item-done item))
                               (lanebridge-item-get item :title)))
                        (reverse (lanebridge-turn-items turn)))))
    (cond ((lanebridge-approval-holds-p (lanebridge-turn-id turn))
           (lanebridge-status-asks))
          (call (lanebridge-render-clip (lanebridge-item-get call :title) 30))
          ((cdr (assoc (lanebridge-status--connection) lanebridge-status--words)))
          (t "working"))))

(defun lanebridge-status--badge ()
  "What says that something is asked, or nil."
  (let ((count (lanebridge-approval-count)))
    (when (> count 0)
      (propertize (concat "● " (lanebridge-render-count count "question") ": "
                          (substitute-command-keys "\\[lanebridge-approve]"))
                  'face 'lanebridge-badge
                  'help-echo (lanebridge-approval-headline)))))

(defun lanebridge-status--busy ()
  "What runs, and for how long, or nil."
  (let ((thread (lanebridge-state-busy)))
    (when thread
      (let* ((turn (lanebridge-thread-running thread))
             (began (or (lanebridge-turn-began turn) (float-time))))
        (format "%s %d s"
                (if (lanebridge-approval-holds-p (lanebridge-turn-id turn))
                    "waits for you"
                  (lanebridge-status-activity turn))
                (truncate (- (float-time) began)))))))

(defun lanebridge-status-line ()
  "What goes on, for the mode line; empty if nothing does."
  (let* ((pending (if (fboundp 'lanebridge-hunks-count) (lanebridge-hunks-count) 0))
         (parts (delq nil (list (lanebridge-status--badge)
                                (or (lanebridge-status--busy)
                                    (and (equal (lanebridge-status--connection) "offline")
                                         "offline"))
                                (and (> pending 0)
                                     (lanebridge-render-count pending "hunk"))))))
    (if parts
        (concat " ⇌ " (replace-regexp-in-string "%" "%%" (string-join parts " · ")))
      "")))

(defun lanebridge-status--said-connection ()
  "State of server and connection for the chat's header, or nil."
  (let ((state (lanebridge-status--connection)))
    (cond ((not lanebridge-state-running) "server not running")
          ((member state '(nil "idle")) nil)
          ((equal (plist-get lanebridge-state-connection :transport) "http")
           (concat state " by HTTP"))
          (t state))))

(defun lanebridge-status-header ()
  "The chat's header: model, effort, mode, connection."
  (let* ((thread lanebridge-view-thread)
         (effort (lanebridge-thread-effort thread)))
    (concat " " (replace-regexp-in-string
                 "%" "%%"
                 (string-join
                  (delq nil (list (lanebridge-thread-model thread)
                                  (and effort (not (string-empty-p effort)) effort)
                                  (lanebridge-thread-mode thread)
                                  (lanebridge-status--said-connection)))
                  " · ")))))

(defun lanebridge-status--tick ()
  "Draw mode lines again, until nothing runs any more."
  (unless (lanebridge-state-busy)
    (cancel-timer lanebridge-status--timer)
    (setq lanebridge-status--timer nil))
  (force-mode-line-update t))

(defun lanebridge-status--on-state (event &rest _)
  "EVENT may change what mode lines say."
  (unless (eq event 'delta)
    (force-mode-line-update t)
    (when (and (lanebridge-state-busy) (not lanebridge-status--timer))
      (setq lanebridge-status--timer (run-with-timer 1 1 #'lanebridge-status--tick)))))

(defun lanebridge-status--hunks-changed ()
  "Mode lines say how many hunks wait."
  (force-mode-line-update t))

(add-hook 'lanebridge-state-functions #'lanebridge-status--on-state)
(add-hook 'lanebridge-hunk-changed-hook #'lanebridge-status--hunks-changed)

(defvar lanebridge-status-mode-line '(:eval (lanebridge-status-line))
  "What the mode line has of Lanebridge.")
(put 'lanebridge-status-mode-line 'risky-local-variable t)
(add-to-list 'mode-line-misc-info 'lanebridge-status-mode-line t)

;;;; All of it

(defun lanebridge-status--lines (status)
  "STATUS, as status/get tells it, as lines of a name and a value."
  (let* ((connection (plist-get status :connection))
         (detail (or (plist-get connection :detail) ""))
         (tokens (plist-get status :tokens))
         (limit (plist-get tokens :perDay)))
    (append
     `(("version" . ,(plist-get status :version))
       ("model" . ,(plist-get status :model))
       ("mode" . ,(plist-get status :mode))
       ("endpoint" . ,(plist-get status :endpoint))
       ("connection" . ,(concat (plist-get connection :state)
                                (if (string-empty-p detail) "" (concat ": " detail))
                                (format ", by %s, %s, %s out, %s sent again"
                                        (plist-get connection :transport)
                                        (lanebridge-render-count (plist-get connection :sockets)
                                                                 "socket")
                                        (lanebridge-render-count (plist-get connection :requests)
                                                                 "request")
                                        (plist-get connection :retries))))
       ("key" . ,(plist-get status :key))
       ("sandbox" . ,(plist-get status :sandbox))
       ("tokens today" . ,(format "%s in, %s out%s"
                                  (lanebridge-render-short (plist-get tokens :todayInput))
                                  (lanebridge-render-short (plist-get tokens :todayOutput))
                                  (if (> limit 0)
                                      (format ", limit %s" (lanebridge-render-short limit))
                                    "")))
       ("folders" . ,(if (seq-empty-p (plist-get status :folders))
                         "none"
                       (string-join (plist-get status :folders) ", "))))
     (and (plist-get status :notice) `(("notice" . ,(plist-get status :notice))))
     (mapcar (lambda (server)
               (cons (concat "mcp " (plist-get server :name))
                     (format "%s, %s" (plist-get server :state)
                             (lanebridge-render-count (plist-get server :tools) "tool"))))
             (plist-get status :mcp)))))

;;;###autoload
(defun lanebridge-status ()
  "Show connection, sandbox, model, folders, tokens."
  (interactive)
  (lanebridge-request
   "lanebridge/status/get" nil
   (lambda (status)
     (lanebridge-status-show-text
      "status"
      (mapconcat (lambda (line) (format "%-13s %s\n" (car line) (cdr line)))
                 (lanebridge-status--lines status) "")))))

(defun lanebridge-status-show-text (name text &optional markdown)
  "Show TEXT, called NAME, in a window of its own; MARKDOWN gives it faces."
  (with-current-buffer (get-buffer-create (format "*Lanebridge %s*" name))
    (special-mode)
    (let ((inhibit-read-only t))
      (erase-buffer)
      (insert text)
      (when markdown
        (lanebridge-markdown-paint (point-min) (point-max) nil)))
    (goto-char (point-min))
    (pop-to-buffer (current-buffer))))

(provide 'lanebridge-status)
;;; lanebridge-status.el ends here
