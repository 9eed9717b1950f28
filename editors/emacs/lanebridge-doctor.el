;;; lanebridge-doctor.el --- What works, and what to do about the rest  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; The editor's side here, the rest by `lanebridge doctor'.

;;; Code:

(require 'lanebridge-connection)
(require 'lanebridge-markdown)
(require 'lanebridge-status)

(defconst lanebridge-doctor--marks
  '(("ok" "✓" lanebridge-good) ("warn" "!" lanebridge-running) ("fail" "✗" lanebridge-bad))
  "How a check ended: its mark and its face.")

(defun lanebridge-doctor--line (status name found &optional fix)
  "A line that says STATUS of NAME, what was FOUND, and FIX unless all is well."
  (let ((mark (or (cdr (assoc status lanebridge-doctor--marks)) '("·" lanebridge-dim))))
    (concat (propertize (nth 0 mark) 'face (nth 1 mark)) " " name ": " found "\n"
            (if (and fix (not (equal status "ok"))) (concat "    " fix "\n") ""))))

(defun lanebridge-doctor--editor ()
  "What there is to say of Emacs."
  (concat
   (lanebridge-doctor--line (if (< emacs-major-version 28) "fail" "ok")
                            "Emacs" emacs-version "Install Emacs 28 or newer.")
   (lanebridge-doctor--line
    (if (and (fboundp 'json-available-p) (json-available-p)) "ok" "warn")
    "JSON" (if (and (fboundp 'json-available-p) (json-available-p)) "native" "in Lisp, slow")
    "Install an Emacs that is built with JSON.")
   (let ((key (where-is-internal 'lanebridge-chat nil t)))
     (lanebridge-doctor--line
      (if key "ok" "info") "keys"
      (if key
          (format "%s opens the chat" (key-description key))
        "none; the guide has a line that binds them")))
   (lanebridge-doctor--line
    (if (bound-and-true-p lanebridge-global-mode) "ok" "info") "files"
    (if (bound-and-true-p lanebridge-global-mode)
        "seen as you see them, unsaved text included"
      "seen as they are on disk, but where `lanebridge-mode' is on: (lanebridge-global-mode)"))))

(defun lanebridge-doctor--server (path)
  "What there is to say of the server, whose program is at PATH."
  (if (not path)
      (lanebridge-doctor--line
       "fail" "program" (format "there is no \"%s\"%s" (car lanebridge-command)
                                (if (file-remote-p default-directory)
                                    (concat " on " (file-remote-p default-directory 'host))
                                  ""))
       "Install Lanebridge, or name it by `lanebridge-command'.")
    (concat
     (lanebridge-doctor--line "ok" "program" path)
     (let ((server (lanebridge-server)))
       (if (and server (lanebridge-connected-p))
           (lanebridge-doctor--line
            "ok" "server" (format "runs, positions in %s, folders: %s"
                                  (lanebridge-server-encoding server)
                                  (or (string-join (lanebridge-server-folders server) ", ")
                                      "none")))
         (lanebridge-doctor--line
          "info" "server" "does not run now: it starts with the first file or question"))))))

(defun lanebridge-doctor--rest ()
  "What `lanebridge doctor' says."
  (let ((told (ignore-errors
                (with-temp-buffer
                  (process-file (car lanebridge-command) nil '(t nil) nil "doctor" "--json")
                  (goto-char (point-min))
                  (json-parse-buffer :object-type 'plist)))))
    (if (not told)
        (lanebridge-doctor--line "warn" "lanebridge doctor" "gave no answer that could be read"
                                 "Run it in a terminal.")
      (mapconcat (lambda (check)
                   (lanebridge-doctor--line (plist-get check :status) (plist-get check :name)
                                            (plist-get check :found) (plist-get check :fix)))
                 (plist-get told :checks) ""))))

;;;###autoload
(defun lanebridge-doctor ()
  "Show what works and what to do about the rest, for this buffer's host."
  (interactive)
  (let ((path (executable-find (car lanebridge-command) (file-remote-p default-directory))))
    (message "Lanebridge: looking …")
    (lanebridge-status-show-text
     "doctor"
     (concat (propertize "Emacs\n" 'face 'bold) (lanebridge-doctor--editor)
             (propertize "\nServer\n" 'face 'bold) (lanebridge-doctor--server path)
             (if (not path)
                 ""
               (concat (propertize "\nlanebridge doctor\n" 'face 'bold)
                       "It reads your settings file; it does not see `lanebridge-settings'.\n"
                       (lanebridge-doctor--rest)))))))

(provide 'lanebridge-doctor)
;;; lanebridge-doctor.el ends here
