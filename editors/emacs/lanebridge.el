;;; lanebridge.el --- An agent beside your editor  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;; Author: The Lanebridge authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, languages, convenience
;; URL: https://github.com/lanebridge/lanebridge

;;; Commentary:

;; Lanebridge is a language server that runs an LLM agent.  This package
;; shows its conversations, asks what it has to ask, and lets you review
;; and undo its edits.  It has a connection and a document sync of its
;; own, so that it lives beside Eglot, lsp-mode, or nothing.
;;
;;     (require 'lanebridge)
;;     (lanebridge-global-mode)
;;     (global-set-key (kbd "C-c l") 'lanebridge-command-map)
;;
;; `M-x lanebridge-ask' asks, `M-x lanebridge-menu' shows what there is.

;;; Code:

(defgroup lanebridge nil
  "An agent beside your editor."
  :group 'tools
  :prefix "lanebridge-")

(defcustom lanebridge-command '("lanebridge" "lsp")
  "Program and arguments that start the server, here and on remote hosts."
  :type '(repeat string))

(defcustom lanebridge-settings nil
  "Settings of the server, as a plist of plists.
The names are those of its README; false is `:json-false', lists are
vectors.  For example (:model \"NAME\" :endpoint (:url \"URL\"))."
  :type '(plist :key-type symbol :value-type sexp)
  :set (lambda (symbol value)
         (set-default symbol value)
         (when (fboundp 'lanebridge-settings-changed)
           (funcall 'lanebridge-settings-changed))))

(defcustom lanebridge-trusted nil
  "Non-nil: you vouch for all folders you open; else each is asked about once."
  :type 'boolean)

(defcustom lanebridge-root-function #'lanebridge-default-root
  "Function that gives the folder of the current buffer, or nil."
  :type 'function)

(defcustom lanebridge-log-size 0
  "How many characters of traffic with the server to keep; 0: none.
They are in the buffer \"*lanebridge events*\"; keys are among them."
  :type 'natnum)

(defvar lanebridge-current-thread-function #'ignore
  "Function that gives the id of the conversation in use here, or nil.")

(defvar lanebridge-overriding-settings nil
  "Settings that modes of this package switch on or off, as a plist.")

(defun lanebridge--merge (under over)
  "The plist OVER, with what is in UNDER alone added."
  (let ((all (copy-sequence under)))
    (while over
      (let* ((key (pop over)) (value (pop over)) (known (plist-get all key)))
        (setq all (plist-put all key (if (and (consp value) (consp known))
                                         (lanebridge--merge known value)
                                       value)))))
    all))

(defun lanebridge-current-settings ()
  "What the server is told of settings."
  (lanebridge--merge lanebridge-settings lanebridge-overriding-settings))

(defun lanebridge-say (format &rest args)
  "Show the message FORMAT with ARGS."
  (message "Lanebridge: %s" (apply #'format-message format args)))

(defun lanebridge-log (format &rest args)
  "Write FORMAT with ARGS into the log."
  (with-current-buffer (get-buffer-create "*lanebridge log*")
    (save-excursion
      (goto-char (point-max))
      (insert (format-time-string "%T ") (apply #'format format args) "\n")
      (when (> (buffer-size) 200000)
        (delete-region (point-min) (- (point-max) 100000))))))

;;; Modes

(declare-function lanebridge-sync-attach "lanebridge-sync")
(declare-function lanebridge-sync-detach "lanebridge-sync")

(defun lanebridge-file-p ()
  "Non-nil if the current buffer is one of a file."
  (and buffer-file-name (not (buffer-base-buffer)) (not (derived-mode-p 'special-mode))))

;;;###autoload
(define-minor-mode lanebridge-mode
  "Have Lanebridge see this buffer as you do, unsaved text included.
It starts the server if it does not run."
  :lighter nil
  (if (not lanebridge-mode)
      (when (fboundp 'lanebridge-sync-detach)
        (lanebridge-sync-detach))
    (require 'lanebridge-sync)
    (lanebridge-sync-attach)))

(defun lanebridge--turn-on ()
  "Switch `lanebridge-mode' on in a buffer of a file."
  (when (and (lanebridge-file-p) (not lanebridge-mode))
    (lanebridge-mode)))

;;;###autoload
(define-globalized-minor-mode lanebridge-global-mode lanebridge-mode lanebridge--turn-on
  :group 'lanebridge)

;;; Commands

(autoload 'lanebridge-default-root "lanebridge-connection")
(autoload 'lanebridge-start "lanebridge-connection" "Start the server, if none runs." t)
(autoload 'lanebridge-stop "lanebridge-connection" "End the server." t)
(autoload 'lanebridge-restart "lanebridge-connection" "End the server and start it anew." t)

(dolist (entry '(("lanebridge-ask" lanebridge-edit-here lanebridge-explain lanebridge-fix
                  lanebridge-interrupt lanebridge-undo-turn lanebridge-redo-turn)
                 ("lanebridge-chat" lanebridge-chat lanebridge-ask)
                 ("lanebridge-approval" lanebridge-approve)
                 ("lanebridge-thread" lanebridge-threads lanebridge-new-thread lanebridge-retry
                  lanebridge-continue lanebridge-fork lanebridge-queue lanebridge-steer
                  lanebridge-thread-rename lanebridge-thread-archive lanebridge-thread-delete
                  lanebridge-thread-export lanebridge-compact lanebridge-accept-plan
                  lanebridge-set-mode lanebridge-set-model lanebridge-set-effort)
                 ("lanebridge-work" lanebridge-review lanebridge-commit-message lanebridge-trust
                  lanebridge-rules lanebridge-preview lanebridge-sent)
                 ("lanebridge-menu" lanebridge-menu)
                 ("lanebridge-status" lanebridge-status)
                 ("lanebridge-doctor" lanebridge-doctor)
                 ("lanebridge-hunks" lanebridge-accept lanebridge-reject lanebridge-accept-file
                  lanebridge-reject-file lanebridge-accept-all lanebridge-reject-all
                  lanebridge-next-hunk lanebridge-previous-hunk)
                 ("lanebridge-review" lanebridge-amend lanebridge-hunks lanebridge-diff
                  lanebridge-smerge)
                 ("lanebridge-inline" lanebridge-inline-mode lanebridge-global-inline-mode
                  lanebridge-inline-complete)
                 ("lanebridge-secret" lanebridge-enter-key)))
  (dolist (command (cdr entry))
    (autoload command (car entry) nil t)))

(defvar lanebridge-command-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,key . ,command)
                   '(("a" . lanebridge-chat) ("A" . lanebridge-ask)
                     ("e" . lanebridge-edit-here) ("x" . lanebridge-explain)
                     ("f" . lanebridge-fix) ("o" . lanebridge-approve)
                     ("s" . lanebridge-interrupt)
                     ("y" . lanebridge-accept) ("n" . lanebridge-reject)
                     ("Y" . lanebridge-accept-file) ("N" . lanebridge-reject-file)
                     ("m" . lanebridge-amend)
                     ("j" . lanebridge-next-hunk) ("k" . lanebridge-previous-hunk)
                     ("q" . lanebridge-hunks) ("d" . lanebridge-diff)
                     ("u" . lanebridge-undo-turn) ("U" . lanebridge-redo-turn)
                     ("r" . lanebridge-retry) ("c" . lanebridge-continue)
                     ("t" . lanebridge-threads) ("w" . lanebridge-new-thread)
                     ("v" . lanebridge-review) ("i" . lanebridge-inline-mode)
                     ("p" . lanebridge-menu)))
      (define-key map key command))
    map)
  "Keys of Lanebridge, for a prefix such as \\`C-c l'.")
(fset 'lanebridge-command-map lanebridge-command-map)

(provide 'lanebridge)
;;; lanebridge.el ends here
